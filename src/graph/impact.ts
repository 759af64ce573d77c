import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { breadthFirst } from './breadthFirst.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { walkedEdges } from './walkedEdges.ts'

export interface ImpactOptions {
  /** URN of the one that fails. */
  resource: string
  /** How far back to go. Default 10; at most 100. */
  hops?: number
}

export interface ImpactRow {
  resource_id: string
  urn: string
  /** The fewest calls between it and the failing one, from 1. */
  depth: number
  /** How much of its outgoing traffic leads to the failing one, 0..1. */
  share: number
  /**
   * `share` times its outgoing traffic: in a frame of calls, how many of its calls per second lead
   * there.
   */
  weight: number
  /** The URN again, and the weight again: an impact is a ranking. */
  item: string
  score: number
}

const impactOptions = z.strictObject({ resource: urnText, hops: hopCount.default(10) })

/**
 * Who is hit if a resource fails: its callers, their callers and so on, weighted by traffic.
 *
 * `share` is the probability that a walk which starts at the caller and takes each call as often as
 * its traffic does comes to the failing one within `hops` calls: 1 at the failing one itself,
 * elsewhere the sum over the callees of (weight of the call / all outgoing weight) * (share of the
 * callee with one hop less). The failing one absorbs, so cycles are no problem: shares grow with
 * `hops` towards the absorption probability of the Markov chain (Kemeny and Snell, Finite Markov
 * Chains, 1960, chapter III) and never pass 1. Share says how tied a caller is to the failing one,
 * not how many of its own requests break.
 *
 * A weight that is null counts as 1, a negative one as 0; where all are 0, each call counts the
 * same. A call to oneself is no call here. Rows are ordered by `score` (descending), `depth`,
 * `urn`; the failing one is no row. What is no resource of the tenant is not hit, nor does it pass on
 * what hits it; calls to it count as traffic.
 *
 * As in `reach`, a frame that is a plain filter over one table is walked where it lies: only the
 * callers and what else they call is read.
 *
 * @throws InvalidInputError when an option is out of its range.
 * @example
 * const hit = impact(scope, activeCalls(scope), { resource: 'urn:k8s:svc:shop/payment' })
 * await topK(scope, hit, 5).execute()
 *
 * // select "hit".* from (
 * //   with recursive frame as not materialized (...), edge (src, dst, length) as ..., level (...)
 * //     as (...), reached (ids) as (...)
 * //   select resource.resource_id, resource.urn, walk.depth, walk.share, walk.share * walk.traffic
 * //     as weight, ...
 * //   from (select pg_catalog.array_agg(edge.dst) as src, ... from reached ... join edge on
 * //     edge.dst = at.id) as outgoing
 * //   join "public"."dim_resource" as failing on failing.tenant_id = $5::int8 and failing.urn = $6
 * //   cross join lateral "public"."graph_impact"(outgoing.src, outgoing.dst, outgoing.weight,
 * //     failing.resource_id, $7::int4) as walk
 * //   join "public"."dim_resource" as resource on ...
 * //   order by score desc, walk.depth, resource.urn collate "C"
 * // ) as "hit"
 */
export function impact(scope: Scope, edges: EdgeFrame, options: ImpactOptions): Finished<ImpactRow, 'hit'> {
  const { resource, hops } = parseOptions(impactOptions, options)
  // Backwards, so an edge leads from its `dst` to its `src`: what leaves a caller ends there.
  const hit = sql<ImpactRow>`(
    with recursive ${walkedEdges(scope, edges, 'in', sql`frame.weight`)}, ${breadthFirst(scope, { from: [resource], hops })},
    reached (ids) as (select level.visited from level order by level.depth desc limit 1)
    select
      resource.resource_id, resource.urn, walk.depth, walk.share, walk.share * walk.traffic as weight,
      resource.urn as item, walk.share * walk.traffic as score
    from (
      select pg_catalog.array_agg(edge.dst) as src, pg_catalog.array_agg(edge.src) as dst, pg_catalog.array_agg(edge.length) as weight
      from reached
      cross join lateral pg_catalog.unnest(reached.ids) as at (id)
      join edge on edge.dst = at.id
    ) as outgoing
    join ${scope.id('dim_resource')} as failing on failing.tenant_id = ${scope.tenantId}::int8 and failing.urn = ${resource}
    cross join lateral ${scope.id('graph_impact')}(outgoing.src, outgoing.dst, outgoing.weight, failing.resource_id, ${hops}::int4) as walk
    join ${scope.id('dim_resource')} as resource on resource.resource_id = walk.id and resource.tenant_id = ${scope.tenantId}::int8
    order by score desc, walk.depth, resource.urn collate "C"
  )`
  return finished(scope, hit, 'hit')
}
