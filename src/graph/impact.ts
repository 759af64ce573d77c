import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { breadthFirst } from './breadthFirst.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { walkedEdges } from './walkedEdges.ts'

export interface ImpactOptions {
  /** URN of the resource that fails. */
  resource: string
  /** How many calls to go back. Default 10; at most 100. */
  hops?: number
}

export interface ImpactRow {
  resource_id: string
  urn: string
  /** The fewest calls between it and the failing resource, from 1. */
  depth: number
  /** The share of its outgoing traffic that leads to the failing resource, 0..1. */
  share: number
  /**
   * `share` times its outgoing traffic: in a frame of calls, the calls per second that lead there.
   */
  weight: number
  /** The URN and the weight again: they make the answer a ranking frame. */
  item: string
  score: number
}

const impactOptions = z.strictObject({ resource: urnText, hops: hopCount.default(10) })

/**
 * Which resources are hit if a resource fails: its callers, their callers and so on, weighted by
 * traffic.
 *
 * `share` is a probability. A walk starts at the caller and takes each call as often as its traffic
 * does; `share` is the probability that it reaches the failing resource within `hops` calls. It
 * says how much a caller depends on the failing resource, not how many of its own requests fail.
 *
 * - Cycles are no problem: shares grow with `hops` towards the absorption probability of the Markov
 *   chain (Kemeny and Snell, Finite Markov Chains, 1960, chapter III) and never exceed 1.
 * - A weight that is null counts as 1, a negative one as 0; if all weights are 0, each call counts
 *   the same. Calls from a resource to itself are ignored.
 * - Rows are ordered by `score` (descending), `depth`, `urn`. The failing resource is not a row.
 * - An end that is not a resource of the tenant has no row and passes nothing on; calls to it count
 *   as traffic.
 * - As in {@link reach}, a frame that is a plain filter over one table is read by its index: only
 *   the callers and their other calls.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const hit = impact(scope, activeCalls(scope), { resource: 'urn:k8s:svc:shop/payment' })
 * await topK(scope, hit, 5).execute()
 *
 * // select "hit".* from (
 * //   with recursive frame as not materialized (...), edge (src, dst, length) as ..., level (...)
 * //     as (...), reached (ids) as (...)
 * //   select resource.resource_id, resource.urn, walk.depth, walk.share, ...
 * //   from (select pg_catalog.array_agg(edge.dst) as src, ...) as outgoing join ... cross join
 * //     lateral "public"."graph_impact"(outgoing.src, outgoing.dst, ...) as walk
 * //   join "public"."dim_resource" as resource on ... where "public"."require_resources"(...)
 * //   order by score desc, ...
 * // ) as "hit"
 */
export function impact(scope: Scope, edges: EdgeFrame, options: ImpactOptions): Finished<ImpactRow, 'hit'> {
  const { resource, hops } = parseOptions(impactOptions, options)
  // Asked here too: a kept plan that finds no start would never come to the condition of the search.
  // Backwards: an edge leads from its `dst` to its `src`, so what leaves a caller ends at it.
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
    where ${requireResources(scope, [resource])}
    order by score desc, walk.depth, resource.urn collate "C"
  )`
  return finished(scope, hit, 'hit')
}
