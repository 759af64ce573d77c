import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { checkedRange, type TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { decidingFirst, topologyFilter, topologyVersions, type TopologyFilter } from './topologyVersions.ts'

export interface TopologyChangesOptions extends TopologyFilter {
  /** What happened in it counts. */
  range: TimeRange
}

/** What became of an edge. */
export type TopologyChange = 'appeared' | 'vanished' | 'changed'

const topologyChangesOptions = z.strictObject({ range: z.custom<TimeRange>(), ...topologyFilter })

/**
 * What happened to the topology in a range: every edge that appeared, vanished or got other properties, once for each time it did.
 *
 * Rows, an edge frame: `at`, the moment; `kind`, `'appeared'`, `'vanished'` or `'changed'`; `src`, `dst`; `weight` (always null); `src_urn`, `dst_urn`,
 * `relation`; `props_before` and `props_after`, null where there was or is no edge. Ordered by `at`, `src_urn`, `dst_urn`, `relation`. An edge that
 * vanished and came back has a row for either.
 *
 * It tells how {@link topologyAt} came to differ: what one source says while another goes on to say the same is no change. `source` asks what one of them
 * changed its mind about.
 *
 * @throws InvalidInputError when the range is none, or the relation or source can be none.
 * @example
 * const news = topologyChanges(scope, { range: last('1 hour'), relation: 'calls' })
 * await news.where('kind', '=', 'appeared').execute()
 *
 * // select "change".* from (
 * //   select "moment"."at", case when "said"."props_before" is null then 'appeared' ... end as "kind", ... from (
 * //     select ..., pg_catalog.lower("version"."valid") as "at" from "public"."topo_edge_time" as "version" where ... union select ..., pg_catalog.upper("version"."valid") as "at" ...
 * //   ) as "moment" inner join lateral (
 * //     select (pg_catalog.array_agg("version"."props" order by ...) filter (where pg_catalog.lower("version"."valid") < "moment"."at" and ...))[1] as "props_before", ...
 * //   ) as "said" on true inner join ... where "said"."props_before" is distinct from "said"."props_after" order by ...
 * // ) as "change" where "kind" = $12
 */
export function topologyChanges(scope: Scope, options: TopologyChangesOptions) {
  const { range, ...filter } = parseOptions(topologyChangesOptions, options)
  const { from, to } = checkedRange(range)
  const moments = (end: RawBuilder<Date>) =>
    topologyVersions(scope, filter)
      .where(sql<boolean>`${end} >= ${from}::timestamptz and ${end} < ${to}::timestamptz`)
      .select(['version.src_resource_id as src', 'version.dst_resource_id as dst', 'version.relation as relation', end.as('at')])
  const deciding = (holds: RawBuilder<boolean>) =>
    sql<Json | null>`(pg_catalog.array_agg("version"."props" order by ${decidingFirst}) filter (where ${holds}))[1]`
  const before = sql<boolean>`pg_catalog.lower("version"."valid") < "moment"."at" and coalesce(pg_catalog.upper("version"."valid"), 'infinity') >= "moment"."at"`
  const after = sql<boolean>`"version"."valid" operator(pg_catalog.@>) "moment"."at"`
  const said = topologyVersions(scope, filter)
    .where(sql<boolean>`"version"."src_resource_id" = "moment"."src" and "version"."dst_resource_id" = "moment"."dst"`)
    .where(sql<boolean>`"version"."relation" = "moment"."relation"`)
    .select([deciding(before).as('props_before'), deciding(after).as('props_after')])
  // Lateral, so that each moment looks its edge up: a join of a table without statistics to itself may compare every version with every moment.
  const changes = scope.db
    .selectFrom(
      moments(sql<Date>`pg_catalog.lower("version"."valid")`)
        .union(moments(sql<Date>`pg_catalog.upper("version"."valid")`))
        .as('moment'),
    )
    .innerJoinLateral(said.as('said'), (join) => join.onTrue())
    .innerJoin(scope.table('dim_resource', 'source'), (join) =>
      join.onRef('source.resource_id', '=', 'moment.src').on('source.tenant_id', '=', scope.tenantId),
    )
    .innerJoin(scope.table('dim_resource', 'target'), (join) =>
      join.onRef('target.resource_id', '=', 'moment.dst').on('target.tenant_id', '=', scope.tenantId),
    )
    .where(sql<boolean>`"said"."props_before" is distinct from "said"."props_after"`)
    .select([
      'moment.at',
      sql<TopologyChange>`case when "said"."props_before" is null then 'appeared' when "said"."props_after" is null then 'vanished' else 'changed' end`.as(
        'kind',
      ),
      'moment.src',
      'moment.dst',
      sql<number | null>`null::float8`.as('weight'),
      'source.urn as src_urn',
      'target.urn as dst_urn',
      'moment.relation',
      'said.props_before',
      'said.props_after',
    ])
    .orderBy('moment.at')
    .orderBy(byBytes(sql.ref('source.urn')))
    .orderBy(byBytes(sql.ref('target.urn')))
    .orderBy(byBytes(sql.ref('moment.relation')))
  return finished(scope, changes, 'change')
}
