import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { breadthFirst } from './breadthFirst.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { isPlainFrame } from './plainFrame.ts'
import { walkDirection, walkedEdges, type WalkDirection } from './walkedEdges.ts'

export interface NeighbourhoodOptions {
  /** URN, or several, of the centre. One that the tenant does not have is an error. */
  resource: string | readonly string[]
  /** The largest distance of a neighbour. Default 1; at most 100. */
  hops?: number
  /**
   * `both` (the default): callers and callees, theirs and so on. `out`: callees only. `in`: callers
   * only.
   */
  direction?: WalkDirection
}

const neighbourhoodOptions = z.strictObject({
  resource: z.union([urnText.transform((urn) => [urn]), z.array(urnText)]),
  hops: hopCount.default(1),
  direction: walkDirection.default('both'),
})

/**
 * The part of a graph around some resources: an edge frame with the edges, and all their columns,
 * between resources within `hops`. Draw it, walk it, or pass it to `toGraphology`.
 *
 * It has every edge between two neighbours, in any direction. Only resources of the tenant are
 * neighbours. Ordered by `src`, `dst`, then by the whole row's text.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const around = neighbourhood(scope, activeCalls(scope), { resource: 'urn:k8s:svc:shop/checkout', hops: 2 })
 * const graph = await toGraphology(around)
 *
 * // select "neighbour".* from (
 * //   with recursive frame as (...), edge (src, dst, length) as ..., level (...) as (...), near
 * //     (id) as materialized (...)
 * //   select frame.* from near join frame on frame.src = near.id where (frame.dst in (select id
 * //     from near)) is true and "public"."require_resources"($7::int8, $8::text[]) order by ...
 * // ) as "neighbour"
 */
export function neighbourhood<Row extends EdgeRow>(
  scope: Scope,
  edges: EdgeFrame<Row>,
  options: NeighbourhoodOptions,
): Finished<Row, 'neighbour'> {
  const { resource, hops, direction } = parseOptions(neighbourhoodOptions, options)
  // A condition that is not a join is answered by one lookup in a hash of `near`; a join would be
  // planned on a guess of its size. For a plain frame the join finds the edges by its index.
  const isNear = (end: 'src' | 'dst') => sql`(${sql.id('frame', end)} in (select id from near)) is true`
  // The URN is asked for here too: a kept plan without any edge would never come to the condition of
  // the search.
  const among = isPlainFrame(edges) ? sql`near join frame on frame.src = near.id where ` : sql`frame where ${isNear('src')} and `
  const neighbours = sql<Row>`(
    with recursive ${walkedEdges(scope, edges, direction)}, ${breadthFirst(scope, { from: resource, hops })},
    near (id) as materialized (
      select pg_catalog.unnest(last.visited) from (select level.visited from level order by level.depth desc limit 1) as last
    )
    select frame.* from ${among} ${isNear('dst')} and ${requireResources(scope, resource)}
    order by frame.src, frame.dst, (frame.*)::text collate "C"
  )`
  return finished(scope, neighbours, 'neighbour')
}
