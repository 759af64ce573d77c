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
  /** URN of where the paths begin. */
  from: string
  /** URN of where they end. */
  to: string
  /** The most edges a path may have. Default 5; at most 100. */
  hops?: number
  /** How many paths to give, at most 1000. Default 100. */
  limit?: number
  /**
   * `out` (the default) follows the edges, `in` goes against them, `both` ignores which way they
   * point.
   */
  direction?: WalkDirection
}

export interface PathBetweenStep {
  /** From 1, one of the shortest. */
  rank: number
  /** From 0, the beginning. */
  step: number
  resource_id: string
  urn: string
  /** How many edges the whole path has. */
  hops: number
  /** Whether there are more paths than these, in every row. */
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
 * All paths of at most `hops` edges between two resources that visit no resource twice, those of
 * the fewest edges first: a row for each step of each, in the order of `rank` and `step`. Where
 * there are more than `limit`, the first of them, and `cut` is true.
 *
 * Paths are not searched for by trying: each is the next best of Yen's algorithm (see
 * `kShortestPaths`) over what is not too far from both ends, so what leads nowhere costs nothing,
 * and the time is that of the paths that are given. Of several edges between the same two resources
 * a path takes one.
 *
 * @throws InvalidInputError when an option is out of its range.
 * @example
 * const ways = pathsBetween(scope, topologyAt(scope, { at }), { from: front, to: database, hops: 4 })
 * await ways.where('step', '=', 1).execute() // over which of its own dependencies the front comes to the database
 *
 * // select "stop".* from (
 * //   select walk.path as rank, walk.step, resource.resource_id, resource.urn, ... as hops, ... as
 * //     cut
 * //   from (select walk.*, max(walk.step) over (partition by walk.path) as hops, max(walk.path)
 * //     over () > $9::int4 as cut from (
 * //     with recursive ... cross join lateral "public"."graph_shortest_paths"(..., $7, $8) as walk
 * //   ) as walk) as walk
 * //   join "public"."dim_resource" as resource on ... where walk.path <= $10 order by walk.path,
 * //     walk.step
 * // ) as "stop"
 */
export function pathsBetween(scope: Scope, edges: EdgeFrame, options: PathsBetweenOptions): Finished<PathBetweenStep, 'stop'> {
  const { from, to, hops, limit, direction } = parseOptions(pathsBetweenOptions, options)
  // One more than is given says whether that is all.
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
