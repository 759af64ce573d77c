import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { edgesAt } from './edgesAt.ts'
import type { TopologyChange } from './topologyChanges.ts'
import { topologyFilter, type TopologyFilter } from './topologyVersions.ts'

export interface CompareTopologyOptions extends TopologyFilter {
  /** The moment that is compared with. */
  before: Date
  /** The moment that is compared. It may lie before `before`: then the comparison runs backwards. */
  after: Date
  /** Also the edges that are the same at both moments, as a picture needs them. Default: only those that differ. */
  unchanged?: boolean
}

const compareTopologyOptions = z.strictObject({
  before: storableDate,
  after: storableDate,
  unchanged: z.boolean().default(false),
  ...topologyFilter,
})

/**
 * How the topology of one moment differs from that of another, whatever happened between: last week's and today's, say.
 *
 * Rows, an edge frame: `kind`, `'appeared'`, `'vanished'`, `'changed'` (other properties) or, when asked for, `'unchanged'`; `src`, `dst`; `weight`
 * (always null); `src_urn`, `dst_urn`, `relation`; `props_before` and `props_after`, null where there was or is no edge. Ordered by `src_urn`, `dst_urn`,
 * `relation`. What happened in between, and when, is told by {@link topologyChanges}.
 *
 * @throws InvalidInputError when a moment is no valid date, or the relation or source can be none.
 * @example
 * const { from, to } = last('7 days')
 * const week = compareTopology(scope, { before: from, after: to, relation: 'calls' })
 * await week.where('kind', '=', 'appeared').select(['src_urn', 'dst_urn']).execute()
 *
 * // select "src_urn", "dst_urn" from (
 * //   select case when "before"."src" is null then 'appeared' ... end as "kind", coalesce("before"."src", "after"."src") as "src", ...
 * //   from (...) as "before" full join (...) as "after" on "before"."src" = "after"."src" and ...
 * //   inner join "public"."dim_resource" as "source" on ... inner join "public"."dim_resource" as "target" on ...
 * //   where "before"."props" is distinct from "after"."props" order by ...
 * // ) as "edge" where "kind" = $11
 */
export function compareTopology(scope: Scope, options: CompareTopologyOptions) {
  const { before, after, unchanged, ...filter } = parseOptions(compareTopologyOptions, options)
  const src = sql<string>`coalesce("before"."src", "after"."src")`
  const dst = sql<string>`coalesce("before"."dst", "after"."dst")`
  const relation = sql<string>`coalesce("before"."relation", "after"."relation")`
  const edges = scope.db
    .selectFrom(edgesAt(scope, before, filter).as('before'))
    .fullJoin(edgesAt(scope, after, filter).as('after'), (join) =>
      join.onRef('before.src', '=', 'after.src').onRef('before.dst', '=', 'after.dst').onRef('before.relation', '=', 'after.relation'),
    )
    .innerJoin(scope.table('dim_resource', 'source'), (join) =>
      join.on('source.resource_id', '=', src).on('source.tenant_id', '=', scope.tenantId),
    )
    .innerJoin(scope.table('dim_resource', 'target'), (join) =>
      join.on('target.resource_id', '=', dst).on('target.tenant_id', '=', scope.tenantId),
    )
    .$if(!unchanged, (query) => query.where(sql<boolean>`"before"."props" is distinct from "after"."props"`))
    .select([
      sql<TopologyChange | 'unchanged'>`case
        when "before"."src" is null then 'appeared'
        when "after"."src" is null then 'vanished'
        when "before"."props" <> "after"."props" then 'changed'
        else 'unchanged'
      end`.as('kind'),
      src.as('src'),
      dst.as('dst'),
      sql<number | null>`null::float8`.as('weight'),
      'source.urn as src_urn',
      'target.urn as dst_urn',
      relation.as('relation'),
      sql<Json | null>`"before"."props"`.as('props_before'),
      sql<Json | null>`"after"."props"`.as('props_after'),
    ])
    .orderBy(byBytes(sql.ref('source.urn')))
    .orderBy(byBytes(sql.ref('target.urn')))
    .orderBy(byBytes(relation))
  return finished(scope, edges, 'edge')
}
