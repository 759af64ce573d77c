import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'

export interface ReachOptions {
  /** URN, or several, to set out from. One the tenant does not have reaches nothing. */
  from: string | readonly string[]
  /** Default 3; at most 100. */
  hops?: number
  /** `out` (the default) follows the calls, `in` goes back to the callers, `both` ignores the direction. */
  direction?: 'out' | 'in' | 'both'
}

export interface ReachRow {
  resource_id: string
  urn: string
  /** The fewest hops that lead there, from 1. */
  depth: number
  /** The URN before it on one shortest path: of several, the heaviest last edge, then the lowest id. Following it leads back to a start. */
  via_urn: string
}

const reachOptions = z.strictObject({
  from: z.union([urnText.transform((urn) => [urn]), z.array(urnText)]),
  hops: hopCount.default(3),
  direction: z.enum(['out', 'in', 'both']).default('out'),
})

/**
 * The resources within `hops` of a start along the edges of any frame, each once, with its least depth and one shortest path.
 *
 * A breadth-first search: one row of the recursion is one level (its frontier and everything visited so far, as arrays), so the edges are scanned
 * once per level and no vertex is ever expanded twice, however dense or cyclic the graph is; paths are not enumerated. The starts themselves are
 * not rows, also when a cycle leads back to them. Ends of edges that are no resource of the tenant are not rows either.
 *
 * Rows are ordered by `depth`, then `urn`. To filter edges before the walk, narrow the frame: that is what it is a frame for.
 *
 * @throws InvalidInputError when an option is out of its range.
 * @example
 * const failing = activeCalls(scope).where('err_rate', '>', 0.05)
 * await reach(scope, failing, { from: 'urn:k8s:svc:shop/checkout', hops: 3 }).execute()
 *
 * // select "reached".* from (
 * //   with recursive edge as materialized (select src, dst, weight from (...) as frame), start as materialized (...),
 * //   level (depth, frontier, visited) as (
 * //     select 0, ids, ids from start
 * //     union all
 * //     select level.depth + 1, next.frontier, level.visited || next.frontier from level cross join lateral (
 * //       ... select edge.dst from unnest(level.frontier) as at (id) join edge on edge.src = at.id except select unnest(level.visited) ...
 * //     ) as next where level.depth < $3 and next.frontier is not null
 * //   ) ... order by depth, urn
 * // ) as "reached"
 */
export function reach(scope: Scope, edges: EdgeFrame, options: ReachOptions) {
  const { from, hops, direction } = parse(reachOptions, options, 'options')
  const forward = sql`select src, dst, weight from ${edges} as frame`
  const backward = sql`select dst, src, weight from ${edges} as frame`
  const walked = { out: forward, in: backward, both: sql`${forward} union all ${backward}` }[direction]
  const reached = sql<ReachRow>`(
    with recursive edge (src, dst, weight) as materialized (${walked}),
    start as materialized (
      select array_agg(resource_id) as ids
      from ${scope.id('dim_resource')}
      where tenant_id = ${scope.tenantId}::int8 and urn = any(${from}::text[])
    ),
    level (depth, frontier, visited) as (
      select 0, ids, ids from start where ids is not null
      union all
      select level.depth + 1, next.frontier, level.visited || next.frontier
      from level
      cross join lateral (
        select array_agg(candidate.id) as frontier
        from (
          select edge.dst from unnest(level.frontier) as at (id) join edge on edge.src = at.id
          except
          select unnest(level.visited)
        ) as candidate (id)
      ) as next
      where level.depth < ${hops}::int4 and next.frontier is not null
    ),
    vertex as materialized (
      select level.depth, resource.resource_id, resource.urn
      from level
      cross join lateral unnest(level.frontier) as found (id)
      join ${scope.id('dim_resource')} as resource on resource.resource_id = found.id and resource.tenant_id = ${scope.tenantId}::int8
    ),
    via as (
      select distinct on (vertex.resource_id) vertex.resource_id, before.urn
      from vertex
      join edge on edge.dst = vertex.resource_id
      join vertex as before on before.resource_id = edge.src and before.depth = vertex.depth - 1
      order by vertex.resource_id, edge.weight desc nulls last, before.resource_id
    )
    select vertex.resource_id, vertex.urn, vertex.depth, via.urn as via_urn
    from vertex
    join via on via.resource_id = vertex.resource_id
    order by vertex.depth, vertex.urn
  )`
  return scope.db.selectFrom(reached.as('reached')).selectAll('reached')
}
