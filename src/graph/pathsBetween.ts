import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { pathCount, shortestPaths } from './shortestPaths.ts'
import { walkDirection, type WalkDirection } from './walkedEdges.ts'

export interface PathsBetweenOptions {
  /** URN of the first resource. */
  from: string
  /** URN of the last resource. */
  to: string
  /** The most edges in a path. Default 5; at most 100. */
  hops?: number
  /** The most paths to give, at most 1000. Default 100. */
  limit?: number
  /**
   * `out` (the default) follows the edges, `in` goes against them, `both` ignores their direction.
   */
  direction?: WalkDirection
}

export interface PathBetweenStep {
  /** From 1, one of the shortest. */
  rank: number
  /** From 0, the first resource. */
  step: number
  resource_id: string
  urn: string
  /** The number of edges of the whole path. */
  hops: number
  /** Whether more paths exist; the same in every row. */
  cut: boolean
}

const pathsBetweenOptions = z.strictObject({
  from: urnText,
  to: urnText,
  hops: hopCount.default(5),
  limit: pathCount.default(100),
  direction: walkDirection.default('out'),
})

/**
 * All paths of at most `hops` edges between two resources that visit no resource twice: one row for
 * each step of each path, ordered by `rank` and `step`. Paths with the fewest edges come first. If
 * there are more than `limit`, the answer has the first of them and `cut` is true.
 *
 * If several edges connect the same two resources, a path takes one of them. Each path is the next
 * best of Yen's algorithm (see {@link kShortestPaths}) among resources close enough to both ends.
 * Dead ends therefore cost nothing, and the time is that of the paths in the answer.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const ways = pathsBetween(scope, topologyAt(scope, { at }), { from: front, to: database, hops: 4 })
 * await ways.where('step', '=', 1).execute() // over which of its own dependencies the front comes to the database
 *
 * // select "stop".* from (
 * //   select walk.path as rank, walk.step, resource.resource_id, resource.urn, ... as hops, ... as
 * //     cut
 * //   from (select walk.*, max(walk.step) over (partition by walk.path) as hops, max(walk.path)
 * //     over () > $1::int4 as cut from (
 * //     with recursive ... cross join lateral "public"."graph_shortest_paths"(...) as walk
 * //   ) as walk) as walk
 * //   join "public"."dim_resource" as resource on ... where walk.path <= ... order by walk.path,
 * //     walk.step
 * // ) as "stop"
 */
export function pathsBetween(scope: Scope, edges: EdgeFrame, options: PathsBetweenOptions): Finished<PathBetweenStep, 'stop'> {
  const { from, to, hops, limit, direction } = parseOptions(pathsBetweenOptions, options)
  // One more than the limit shows whether there are more.
  const walk = shortestPaths(scope, edges, { from, to, paths: limit + 1, length: undefined, direction, hops })
  const stops = sql<PathBetweenStep>`(
    select walk.path as rank, walk.step, resource.resource_id, resource.urn, walk.hops, walk.cut
    from (
      select path.*, max(path.step) over (partition by path.path) as hops, max(path.path) over () > ${limit}::int4 as cut from ${walk} as path
    ) as walk
    join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = walk.id
    where walk.path <= ${limit}::int4
    order by walk.path, walk.step
  )`
  return finished(scope, stops, 'stop')
}
