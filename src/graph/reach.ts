import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { breadthFirst } from './breadthFirst.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { walkDirection, walkedEdges, type WalkDirection } from './walkedEdges.ts'

export interface ReachOptions {
  /** URN, or several, to start from. One that the tenant does not have is an error. */
  from: string | readonly string[]
  /** The largest number of hops. Default 3; at most 100. */
  hops?: number
  /**
   * `out` (the default) follows the calls, `in` goes back to the callers, `both` ignores the
   * direction.
   */
  direction?: WalkDirection
  /** Whether each row has its whole `path`. Default false. */
  withPaths?: boolean
}

export interface ReachRow {
  resource_id: string
  urn: string
  /** The fewest hops that lead there, from 1. */
  depth: number
  /**
   * The previous URN on one shortest path; of several, the one with the lowest id. Following it
   * from row to row leads back to a start.
   */
  via_urn: string
}

export interface ReachedPath extends ReachRow {
  /** The URNs of that shortest path, from a start to the resource itself. */
  path: string[]
}

const reachOptions = z.strictObject({
  from: z.union([urnText.transform((urn) => [urn]), z.array(urnText)]),
  hops: hopCount.default(3),
  direction: walkDirection.default('out'),
  withPaths: z.boolean().default(false),
})

/**
 * The resources within `hops` of a start along the edges of any frame, each once, with its smallest
 * depth and one shortest path.
 *
 * | | |
 * |---|---|
 * | order | `depth`, then the bytes of `urn` |
 * | absent | the starts themselves, even if a cycle leads back to them; ends of edges that are not resources of the tenant (they are not walked through either) |
 * | a shortest path | follow `via_urn` from row to row, or set `withPaths: true` |
 * | filters | narrow the frame to filter edges before the walk |
 * | cost | a breadth-first search: no vertex is expanded twice, and paths are not enumerated |
 *
 * A frame that is a plain filter over one table, such as `activeCalls`, is read by the table's
 * index: each level finds its edges on the end it starts from. Without an index each level reads
 * the whole table. Any other frame is computed once, as a whole.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const failing = activeCalls(scope).where('err_rate', '>', 0.05)
 * await reach(scope, failing, { from: 'urn:k8s:svc:shop/checkout', hops: 3 }).execute()
 *
 * // select "reached".* from (
 * //   with recursive frame as not materialized (...), edge (src, dst) as not materialized (...),
 * //   level (depth, ids, via, urns, visited) as (
 * //     select 0, ... from "public"."dim_resource" as start where ... start.urn = any($3::text[])
 * //     union all select level.depth + 1, next.ids, ... from level cross join lateral (...) as next
 * //     where level.depth < $7::int4 and next.ids is not null
 * //   )
 * //   select found.id as resource_id, found.urn, level.depth, ... from level ...
 * // ) as "reached"
 */
export function reach(scope: Scope, edges: EdgeFrame, options: ReachOptions & { withPaths: true }): Finished<ReachedPath, 'reached'>
export function reach(scope: Scope, edges: EdgeFrame, options: ReachOptions): Finished<ReachRow, 'reached'>
export function reach(scope: Scope, edges: EdgeFrame, options: ReachOptions): Finished<ReachRow, 'reached'> {
  const { from, hops, direction, withPaths } = parseOptions(reachOptions, options)
  const reached = sql<ReachRow>`(
    with recursive ${walkedEdges(scope, edges, direction)}, ${breadthFirst(scope, { from, hops })}
    ${withPaths ? wholePaths(scope) : lastSteps(scope)}
  )`
  return finished(scope, reached, 'reached')
}

const lastSteps = (scope: Scope) => sql`
    select found.id as resource_id, found.urn, level.depth, before.urn as via_urn
    from level
    cross join lateral unnest(level.ids, level.via, level.urns) as found (id, via, urn)
    join ${scope.id('dim_resource')} as before on before.tenant_id = ${scope.tenantId}::int8 and before.resource_id = found.via
    where level.depth > 0
    order by level.depth, found.urn collate "C"
`

const wholePaths = (scope: Scope) => sql`
    select trail.id as resource_id, step.urn, step.depth, trail.path[step.depth] as via_urn, trail.path
    from (
      select pg_catalog.array_agg(found.id) as ids, pg_catalog.array_agg(found.via) as via, pg_catalog.array_agg(found.urn) as urns
      from level
      cross join lateral unnest(level.ids, level.via, level.urns) as found (id, via, urn)
    ) as met
    cross join lateral ${scope.id('graph_trails')}(met.ids, met.via, met.urns) as trail
    cross join lateral (select trail.path[pg_catalog.cardinality(trail.path)] as urn, pg_catalog.cardinality(trail.path) - 1 as depth) as step
    where step.depth > 0
    order by step.depth, step.urn collate "C"
`
