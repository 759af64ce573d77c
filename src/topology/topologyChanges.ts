import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { EdgeRow } from '../graph/edgeFrame.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { decidingFirst, topologyFilter, topologyVersions, type TopologyFilter } from './topologyVersions.ts'

export interface TopologyChangesOptions extends TopologyFilter {
  /** Changes in this range count. */
  range: TimeRange
}

/** The change of an edge. `changed` means other properties. */
export type TopologyChange = 'appeared' | 'vanished' | 'changed'

/** A change of an edge at a moment. Its `weight` is always null: topology is not measured. */
export interface TopologyChangeRow extends EdgeRow {
  /** The time of the change. */
  at: Date
  kind: TopologyChange
  src_urn: string
  dst_urn: string
  relation: string
  /** The properties of the edge before; null if there was no edge. */
  props_before: Json | null
  /** The properties after; null if the edge is gone. */
  props_after: Json | null
}

const topologyChangesOptions = z.strictObject({ range: timeRange, ...topologyFilter })

/**
 * The changes of the topology in a range: an edge frame with one row each time that an edge
 * appeared, vanished or got other properties.
 *
 * | | |
 * |---|---|
 * | order | `at`, then `src_urn`, `dst_urn`, `relation` by their bytes |
 * | an edge that vanished and came back | has a row for each |
 * | an edge that another source continues unchanged | is not a change: the rows explain the differences of {@link topologyAt} |
 * | `source` | gives the changes of one source alone |
 *
 * @throws InvalidInputError if the range, the relation or the source is invalid; names the field.
 * @example
 * const news = topologyChanges(scope, { range: last('1 hour'), relation: 'calls' })
 * await news.where('kind', '=', 'appeared').execute()
 *
 * // select "change".* from (
 * //   select "change"."at", "change"."kind", ... from (
 * //     select ..., case when said.props_before is null then 'appeared' ... end as "kind", ...
 * //     from (
 * //       select ..., pg_catalog.lower(version.valid) as "at" from "public"."topo_edge_time" ...
 * //       union select ..., pg_catalog.upper(version.valid) as "at" ...
 * //     ) as "moment" inner join lateral (...) as "said" on true
 * //     where said.props_before is distinct from said.props_after
 * //   ) as "change" inner join "public"."dim_resource" as "caller" on ... order by ...
 * // ) as "change" where "kind" = $13
 */
export function topologyChanges(scope: Scope, options: TopologyChangesOptions): Finished<TopologyChangeRow, 'change'> {
  const { range, ...filter } = parseOptions(topologyChangesOptions, options)
  const moments = (end: RawBuilder<Date>) =>
    topologyVersions(scope, filter)
      .where(sql<boolean>`${end} >= ${range.from}::timestamptz and ${end} < ${range.to}::timestamptz`)
      .select(['version.src_resource_id as src', 'version.dst_resource_id as dst', 'version.relation as relation', end.as('at')])
  const deciding = (holds: RawBuilder<boolean>) =>
    sql<Json | null>`(pg_catalog.array_agg(version.props order by ${decidingFirst}) filter (where ${holds}))[1]`
  const before = sql<boolean>`pg_catalog.lower(version.valid) < moment.at and coalesce(pg_catalog.upper(version.valid), 'infinity') >= moment.at`
  const after = sql<boolean>`version.valid operator(pg_catalog.@>) moment.at`
  const said = topologyVersions(scope, filter)
    .where(sql<boolean>`version.src_resource_id = moment.src and version.dst_resource_id = moment.dst`)
    .where(sql<boolean>`version.relation = moment.relation`)
    .select([deciding(before).as('props_before'), deciding(after).as('props_after')])
  const kind = sql<TopologyChange>`
    case when said.props_before is null then 'appeared' when said.props_after is null then 'vanished' else 'changed' end
  `
  // Lateral, so that each moment looks up its edge: without statistics a self-join may compare
  // every version with every moment.
  const found = scope.db
    .selectFrom(
      moments(sql<Date>`pg_catalog.lower(version.valid)`)
        .union(moments(sql<Date>`pg_catalog.upper(version.valid)`))
        .as('moment'),
    )
    .innerJoinLateral(said.as('said'), (join) => join.onTrue())
    .where(sql<boolean>`said.props_before is distinct from said.props_after`)
    .select(['moment.at', kind.as('kind'), 'moment.src', 'moment.dst', 'moment.relation', 'said.props_before', 'said.props_after'])
  const changes = edgesBetween(scope, found, 'change', { src: 'src', dst: 'dst' })
    .select([
      'change.at',
      'change.kind',
      'change.src',
      'change.dst',
      sql<number | null>`null::float8`.as('weight'),
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
      'change.relation',
      'change.props_before',
      'change.props_after',
    ])
    .orderBy('change.at')
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
    .orderBy(byBytes('change.relation'))
  return finished(scope, changes, 'change')
}
