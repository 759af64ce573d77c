import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
import type { PathStep } from './shortestPath.ts'
import { columnName, pathCount, shortestPaths } from './shortestPaths.ts'
import { walkDirection, type WalkDirection } from './walkedEdges.ts'

export interface KShortestPathsOptions<Row extends EdgeRow = EdgeRow> {
  /** URN of the first resource. */
  from: string
  /** URN of the last resource. */
  to: string
  /** The most paths to give (k), at most 1000. Default 3. */
  limit?: number
  /**
   * The column of the frame with the length of an edge, such as `p95_ms`. Default: every edge has
   * length 1.
   */
  length?: keyof Row & string
  /**
   * `out` (the default) follows the edges, `in` goes against them, `both` ignores their direction.
   */
  direction?: WalkDirection
}

/** One step of one of the paths. */
export interface RankedPathStep extends PathStep {
  /** From 1, the shortest. */
  rank: number
}

const kShortestPathsOptions = z.strictObject({
  from: urnText,
  to: urnText,
  limit: pathCount.default(3),
  length: columnName.optional(),
  direction: walkDirection.default('out'),
})

/**
 * The `limit` shortest paths between two resources that visit no resource twice: one row for each
 * step of each path, ordered by `rank` and `step`. There are fewer paths if no more exist.
 *
 * - Lengths mean the same as in {@link shortestPath}, whose answer by `length` is rank 1 here.
 * - The order is total: by the sum of lengths, by the number of edges, then by the ids from the
 *   start on.
 * - If several edges connect the same two resources, only the shortest counts. Two paths therefore
 *   differ in a resource.
 *
 * Yen's algorithm (Finding the K Shortest Loopless Paths in a Network, 1971) with Lawler's
 * refinement, over searches that know the distance of every resource to the end. The cost of a path
 * grows with its length, not with the number of other paths.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const ways = kShortestPaths(scope, activeCalls(scope), { from: front, to: payment, limit: 5, length: 'p95_ms' })
 * await ways.where('rank', '>', 1).where('urn', '=', 'urn:k8s:svc:shop/cart').execute() // does a detour lead over the cart?
 *
 * // select "stop".* from (
 * //   select walk.path as rank, walk.step, resource.resource_id, resource.urn, walk.edge_length as
 * //     length, walk.cost
 * //   from (with recursive ... cross join lateral "public"."graph_shortest_paths"(..., 5, null) as
 * //     walk) as walk
 * //   join "public"."dim_resource" as resource on ... order by walk.path, walk.step
 * // ) as "stop"
 */
export function kShortestPaths<Row extends EdgeRow>(
  scope: Scope,
  edges: EdgeFrame<Row>,
  options: KShortestPathsOptions<Row>,
): Finished<RankedPathStep, 'stop'> {
  const { from, to, limit, length, direction } = parseOptions(kShortestPathsOptions, options)
  const stops = sql<RankedPathStep>`(
    select walk.path as rank, walk.step, resource.resource_id, resource.urn, walk.edge_length as length, walk.cost
    from ${shortestPaths(scope, edges, { from, to, paths: limit, length, direction, hops: null })} as walk
    join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = walk.id
    order by walk.path, walk.step
  )`
  return finished(scope, stops, 'stop')
}
