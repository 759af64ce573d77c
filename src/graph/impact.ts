import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { hopCount } from './hops.ts'

export interface ImpactOptions {
  /** URN of the one that fails. */
  of: string
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
  /** `share` times its outgoing traffic: in a frame of calls, how many of its calls per second lead there. */
  weight: number
  /** The URN again, and the weight again: an impact is a ranking. */
  item: string
  score: number
}

const impactOptions = z.strictObject({ of: urnText, hops: hopCount.default(10) })

/**
 * Who is hit if a resource fails: its callers, their callers and so on, weighted by traffic.
 *
 * `share` is the probability that a walk which starts at the caller and takes each call as often as its traffic does comes to the failing one
 * within `hops` calls: 1 at the failing one itself, elsewhere the sum over the callees of (weight of the call / all outgoing weight) * (share of
 * the callee with one hop less). The failing one absorbs, so cycles are no problem: shares grow with `hops` towards the absorption probability
 * of the Markov chain (Kemeny and Snell, Finite Markov Chains, 1960, chapter III) and never pass 1. Share says how tied a caller is to the
 * failing one, not how many of its own requests break.
 *
 * A weight that is null counts as 1, a negative one as 0; where all are 0, each call counts the same. A call to oneself is no call here. Rows
 * are ordered by `score` (descending), `depth`, `urn`; the failing one is no row. A URN the tenant does not have hits nobody.
 *
 * @throws InvalidInputError when an option is out of its range.
 * @example
 * const hit = impact(scope, activeCalls(scope), { of: 'urn:k8s:svc:shop/payment' })
 * await topK(scope, hit, 5).execute()
 *
 * // select "hit".* from (
 * //   with recursive edge as materialized (...), share as materialized (...), failing as materialized (...), level (hop, ids, shares) as (
 * //     select 0, array[resource_id], array[1::float8] from failing
 * //     union all
 * //     select level.hop + 1, next.ids, next.shares from level cross join failing cross join lateral (
 * //       ... sum(share.share * at.share) from unnest(level.ids, level.shares) as at join share on share.dst = at.id group by share.src ...
 * //     ) as next where level.hop < $4
 * //   ) ... order by score desc, depth, urn
 * // ) as "hit"
 */
export function impact(scope: Scope, edges: EdgeFrame, options: ImpactOptions) {
  const { of, hops } = parse(impactOptions, options, 'options')
  const hit = sql<ImpactRow>`(
    with recursive edge (src, dst, weight) as materialized (
      select src, dst, greatest(coalesce(weight, 1), 0)::float8 from ${edges} as frame where src <> dst
    ),
    traffic as materialized (
      select src, sum(weight) as total, count(*) as calls from edge group by src
    ),
    share as materialized (
      select edge.src, edge.dst, case when traffic.total > 0 then edge.weight / traffic.total else 1.0::float8 / traffic.calls end as share
      from edge
      join traffic on traffic.src = edge.src
    ),
    failing as materialized (
      select resource_id from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}::int8 and urn = ${of}
    ),
    level (hop, ids, shares) as (
      select 0, array[resource_id], array[1::float8] from failing
      union all
      select level.hop + 1, next.ids, next.shares
      from level
      cross join failing
      cross join lateral (
        select array_agg(walk.id) as ids, array_agg(walk.share) as shares
        from (
          select share.src, sum(share.share * at.share)
          from unnest(level.ids, level.shares) as at (id, share)
          join share on share.dst = at.id
          where share.src <> failing.resource_id
          group by share.src
          union all
          select failing.resource_id, 1
        ) as walk (id, share)
      ) as next
      where level.hop < ${hops}::int4
    ),
    caller as (
      select walk.id, min(level.hop) as depth, least(max(walk.share), 1) as share
      from level
      cross join lateral unnest(level.ids, level.shares) as walk (id, share)
      where walk.id not in (select resource_id from failing)
      group by walk.id
    )
    select
      resource.resource_id, resource.urn, caller.depth, caller.share, caller.share * traffic.total as weight,
      resource.urn as item, caller.share * traffic.total as score
    from caller
    join traffic on traffic.src = caller.id
    join ${scope.id('dim_resource')} as resource on resource.resource_id = caller.id and resource.tenant_id = ${scope.tenantId}::int8
    order by score desc, caller.depth, resource.urn
  )`
  return scope.db.selectFrom(hit.as('hit')).selectAll('hit')
}
