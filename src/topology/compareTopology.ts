import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { EdgeRow } from '../graph/edgeFrame.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { edgesAt } from './edgesAt.ts'
import type { TopologyChange } from './topologyChanges.ts'
import { topologyFilter, type TopologyFilter } from './topologyVersions.ts'

export interface CompareTopologyOptions extends TopologyFilter {
  /** The moment to compare with. */
  before: Date
  /** The moment to compare. It may be earlier than `before`: the comparison then runs backwards. */
  after: Date
  /**
   * Whether to include edges that are the same at both moments, as a picture needs them. Default:
   * only those that differ.
   */
  withUnchanged?: boolean
}

/** An edge at two moments. Its `weight` is always null: topology is not measured. */
export interface ComparedEdge extends EdgeRow {
  /** `unchanged` only with `withUnchanged`. */
  kind: TopologyChange | 'unchanged'
  src_urn: string
  dst_urn: string
  relation: string
  /** The properties of the edge before; null if there was no edge. */
  props_before: Json | null
  /** The properties after; null if the edge is gone. */
  props_after: Json | null
}

const compareTopologyOptions = z.strictObject({
  before: storableDate,
  after: storableDate,
  withUnchanged: z.boolean().default(false),
  ...topologyFilter,
})

/**
 * The differences between the topologies of two moments, for example last week and today: an edge
 * frame.
 *
 * | | |
 * |---|---|
 * | order | `src_urn`, `dst_urn`, `relation`, by their bytes |
 * | changes in between, and their times | use {@link topologyChanges} |
 *
 * @throws InvalidInputError if a moment, the relation or the source is invalid; names the field.
 * @example
 * const { from, to } = last('7 days')
 * const week = compareTopology(scope, { before: from, after: to, relation: 'calls' })
 * await week.where('kind', '=', 'appeared').clearSelect().select(['src_urn', 'dst_urn']).execute()
 *
 * // select "src_urn", "dst_urn" from (
 * //   select "compared"."kind", "compared"."src", ... from (
 * //     select case when before.src is null then 'appeared' ... end as "kind",
 * //       coalesce(before.src, after.src) as "src", ...
 * //     from (...) as "before" full join (...) as "after" on "before"."src" = "after"."src" and
 * //       ...
 * //     where before.props is distinct from after.props
 * //   ) as "compared" inner join "public"."dim_resource" as "caller" on ... inner join ... as
 * //     "callee" on ... order by ...
 * // ) as "edge" where "kind" = $11
 */
export function compareTopology(scope: Scope, options: CompareTopologyOptions): Finished<ComparedEdge, 'edge'> {
  const { before, after, withUnchanged, ...filter } = parseOptions(compareTopologyOptions, options)
  const compared = scope.db
    .selectFrom(edgesAt(scope, before, filter).as('before'))
    .fullJoin(edgesAt(scope, after, filter).as('after'), (join) =>
      join.onRef('before.src', '=', 'after.src').onRef('before.dst', '=', 'after.dst').onRef('before.relation', '=', 'after.relation'),
    )
    .$if(!withUnchanged, (edges) => edges.where(sql<boolean>`before.props is distinct from after.props`))
    .select([
      sql<ComparedEdge['kind']>`case
        when before.src is null then 'appeared'
        when after.src is null then 'vanished'
        when before.props <> after.props then 'changed'
        else 'unchanged'
      end`.as('kind'),
      sql<string>`coalesce(before.src, after.src)`.as('src'),
      sql<string>`coalesce(before.dst, after.dst)`.as('dst'),
      sql<string>`coalesce(before.relation, after.relation)`.as('relation'),
      sql<Json | null>`before.props`.as('props_before'),
      sql<Json | null>`after.props`.as('props_after'),
    ])
  const edges = edgesBetween(scope, compared, 'compared', { src: 'src', dst: 'dst' })
    .select([
      'compared.kind',
      'compared.src',
      'compared.dst',
      sql<number | null>`null::float8`.as('weight'),
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
      'compared.relation',
      'compared.props_before',
      'compared.props_after',
    ])
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
    .orderBy(byBytes('compared.relation'))
  return finished(scope, edges, 'edge')
}
