import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { oddCalls, type OddityWindows } from './oddCalls.ts'

export interface RankSuspectsOptions extends OddityWindows {
  /** The URN of the service where it hurts. */
  service: string
  /** How many calls deep to look, 1 to 32. Default: 8. */
  hops?: number
}

/** A resource that may be behind it, with the evidence for that. */
export interface Suspect {
  resource_id: string
  urn: string
  /** The URN: suspects are a ranking frame. */
  item: string
  /** The share of the trouble that arises in the resource itself, 0..1. */
  score: number
  /** Calls between the service and the suspect; 0 is the service itself. */
  depth: number
  /** URNs from the service to the suspect, along odd calls. */
  path: string[]
  /** What is odd about the calls to it. */
  measure: 'p95_ms' | 'err_rate'
  /** The measure in the baseline, of the calls that `caller` makes to it. */
  expected: number
  /** The same in the range. */
  actual: number
  /** The URN of the caller that saw the greatest rise. */
  caller: string
  caller_resource_id: string
}

/**
 * Who is behind it: the resources that may be the cause of a service's trouble, the likeliest first.
 *
 * It uses the call rollups only. A call is odd when its 95th percentile or error ratio rose against the baseline, as in `callOddities`. From the
 * service, odd calls are followed to what it calls, what that calls, and so on; who is reached is a suspect, and the service itself is
 * one when the calls to it are odd. A callee's time and errors include those of its own dependencies, so the score is what is left without them:
 *
 * - `rise`: by how much the calls to the suspect rose in a measure (of several callers, the one that saw most);
 * - `explained`: the rises of its own odd calls, each times the number of such calls per call to the suspect, if that is more than one;
 * - `score`: (rise - explained) / the greatest rise of that measure among the suspects, halved if the suspect has any odd calls of its own
 *   (retries and timeouts turn one measure into the other); of the two measures the one that gives more.
 *
 * So a service that is slow because it waits scores near 0, and the one where the time is lost 1. Of equal scores the deeper is likelier, then
 * the URN decides. In calm times, and for a URN the tenant does not have: no rows.
 *
 * Its limits: it sees only what calls show. A cause that calls neither slow down nor fail with (a lost message, a wrong answer), one that is not
 * called (a host under all of them) or that was as bad in the baseline stays hidden; work that a service does on the side, off the path of
 * its answers, is counted as if it were on it.
 *
 * The percentiles are of all calls in the window, within 1.083 %. The method is a traversal of the anomalous part of the dependency graph, as in
 * Chen, Qi, Zheng, Hou: "CauseInfer: Automatic and distributed performance diagnosis with hierarchical causality graph in large distributed
 * systems", INFOCOM 2014.
 *
 * @throws InvalidInputError when a window runs backwards, the two overlap, or an option is out of its bounds.
 * @example
 * const suspects = rankSuspects(scope, { service: 'urn:k8s:svc:shop/frontend', range: last('20 minutes'), baseline })
 * await topK(scope, suspects, 3).execute()
 *
 * // select "suspect".* from (
 * //   with recursive compared as (...), measured as (...), odd as (...), walk (resource_id, depth) as (... union ...), ...
 * //   select ... from ... order by score desc, depth desc, urn
 * // ) as "suspect"
 */
export function rankSuspects(scope: Scope, { service, hops = 8, ...windows }: RankSuspectsOptions) {
  const start = parse(urnText, service, 'service')
  const depth = parse(z.int().min(1).max(32), hops, 'hops')
  const resource = scope.id('dim_resource')
  const suspects = sql<Suspect>`(
    with recursive ${oddCalls(scope, windows)}, walk (resource_id, depth) as (
      -- Pairs, not paths: in a dense graph there are few of the former and very many of the latter.
      select resource_id, 0 from ${resource} where tenant_id = ${scope.tenantId}::int8 and urn = ${start}
      union
      select odd.dst, walk.depth + 1 from walk join odd on odd.src = walk.resource_id where walk.depth < ${depth}::int4
    ), reached as (
      select resource_id, min(depth) as depth from walk group by resource_id
    ), incoming as (
      select reached.resource_id, reached.depth, odd.src, odd.measure, odd.expected, odd.actual, odd.rise, caller.depth as caller_depth
      from reached
      join odd on odd.dst = reached.resource_id and odd.src <> reached.resource_id
      left join reached as caller on caller.resource_id = odd.src
      where reached.depth = 0 or caller.resource_id is not null
    ), worst as (
      select distinct on (resource_id, measure) *
      from incoming
      order by resource_id, measure, rise desc, src
    ), traffic as (
      select dst as resource_id, sum(calls) as calls from compared group by dst
    ), explained as (
      select odd.src as resource_id, odd.measure, sum(odd.rise * greatest(1, odd.calls / nullif(traffic.calls, 0))) as rise
      from odd
      left join traffic on traffic.resource_id = odd.src
      where odd.dst <> odd.src
      group by odd.src, odd.measure
    ), judged as (
      select
        worst.*,
        greatest(0, worst.rise - coalesce(explained.rise, 0)) / max(worst.rise) over (partition by worst.measure)
          * case when exists (select from explained as any_measure where any_measure.resource_id = worst.resource_id) then 0.5 else 1 end as score
      from worst
      left join explained on explained.resource_id = worst.resource_id and explained.measure = worst.measure
    ), suspect as (
      select distinct on (resource_id) * from judged order by resource_id, score desc, measure
    ), parent as (
      select distinct on (incoming.resource_id) incoming.resource_id, incoming.src
      from incoming
      where incoming.caller_depth = incoming.depth - 1
      order by incoming.resource_id, incoming.rise / max(incoming.rise) over (partition by incoming.measure) desc, incoming.src
    ), path (resource_id, urns) as (
      select reached.resource_id, array[${start}::text] from reached where reached.depth = 0
      union all
      select parent.resource_id, path.urns || called.urn
      from path
      join parent on parent.src = path.resource_id
      join ${resource} as called on called.tenant_id = ${scope.tenantId}::int8 and called.resource_id = parent.resource_id
    )
    select
      suspect.resource_id,
      called.urn,
      called.urn as item,
      suspect.score::float8 as score,
      suspect.depth,
      path.urns as path,
      suspect.measure,
      suspect.expected,
      suspect.actual,
      caller.urn as caller,
      suspect.src as caller_resource_id
    from suspect
    join path on path.resource_id = suspect.resource_id
    join ${resource} as called on called.tenant_id = ${scope.tenantId}::int8 and called.resource_id = suspect.resource_id
    join ${resource} as caller on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = suspect.src
    order by score desc, depth desc, urn
  )`
  return scope.db.selectFrom(suspects.as('suspect')).selectAll('suspect')
}
