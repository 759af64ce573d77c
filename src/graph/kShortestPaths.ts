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
  /** URN of where the paths begin. */
  from: string
  /** URN of where they end. */
  to: string
  /** How many paths to give, at most 1000: the k of the name. Default 3. */
  limit?: number
  /**
   * The column of the frame that says how long an edge is, such as `p95_ms`. Default: every edge
   * counts 1.
   */
  length?: keyof Row & string
  /**
   * `out` (the default) follows the edges, `in` goes against them, `both` ignores which way they
   * point.
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
 * The `limit` shortest paths between two resources that visit no resource twice, shortest first: a
 * row for each step of each, in the order of `rank` and `step`; fewer when there are fewer.
 *
 * Yen's algorithm (Finding the K Shortest Loopless Paths in a Network, 1971) with Lawler's
 * refinement, over searches that know how far everything is from the end: what a path costs to find
 * grows with its length, not with how many others there are. The order is total: by the sum of
 * lengths, by the number of edges, then by the ids from the beginning on. Lengths mean what they
 * mean in `shortestPath`, of which rank 1 is the answer by `length`; of several edges between the
 * same two resources only the shortest counts, so two paths differ in a resource.
 *
 * @throws InvalidInputError when an option is out of its range.
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
