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
 * A breadth-first search, level by level, in an installed function: the edges are scanned once per level and no vertex is ever expanded twice,
 * however dense or cyclic the graph is; paths are not enumerated. The starts themselves are not rows, also when a cycle leads back to them. Ends
 * of edges that are no resource of the tenant are not rows either.
 *
 * Rows are ordered by `depth`, then `urn`. To filter edges before the walk, narrow the frame: that is what it is a frame for.
 *
 * @throws InvalidInputError when an option is out of its range.
 * @example
 * const failing = activeCalls(scope).where('err_rate', '>', 0.05)
 * await reach(scope, failing, { from: 'urn:k8s:svc:shop/checkout', hops: 3 }).execute()
 *
 * // select "reached".* from (
 * //   select resource.resource_id, resource.urn, walk.depth, before.urn as via_urn
 * //   from (select array_agg(edge.src) as src, ... from (select src, dst, weight from (...) as frame) as edge (src, dst, weight)) as edges
 * //   cross join lateral "public"."graph_reach"(edges.src, edges.dst, edges.weight::float8[], array(select resource_id ...), $4::int4) as walk
 * //   join "public"."dim_resource" as resource on ... join "public"."dim_resource" as before on ... order by walk.depth, resource.urn
 * // ) as "reached"
 */
export function reach(scope: Scope, edges: EdgeFrame, options: ReachOptions) {
  const { from, hops, direction } = parse(reachOptions, options, 'options')
  const ends = { out: sql`src, dst`, in: sql`dst, src`, both: undefined }[direction]
  const walked = ends
    ? sql`select ${ends}, weight from ${edges} as frame`
    : sql`select both_ways.* from ${edges} as frame cross join lateral (values (src, dst, weight), (dst, src, weight)) as both_ways`
  const reached = sql<ReachRow>`(
    select resource.resource_id, resource.urn, walk.depth, before.urn as via_urn
    from (
      select array_agg(edge.src) as src, array_agg(edge.dst) as dst, array_agg(edge.weight) as weight
      from (${walked}) as edge (src, dst, weight)
    ) as edges
    cross join lateral ${scope.id('graph_reach')}(
      edges.src, edges.dst, edges.weight::float8[],
      array(select resource_id from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}::int8 and urn = any(${from}::text[])),
      ${hops}::int4
    ) as walk
    join ${scope.id('dim_resource')} as resource on resource.resource_id = walk.id and resource.tenant_id = ${scope.tenantId}::int8
    join ${scope.id('dim_resource')} as before on before.resource_id = walk.via and before.tenant_id = ${scope.tenantId}::int8
    order by walk.depth, resource.urn
  )`
  return scope.db.selectFrom(reached.as('reached')).selectAll('reached')
}
