import { sql } from 'kysely'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { oddCalls, type OddityWindows } from './oddCalls.ts'

/** One measure of one caller's calls to one callee that left its normal range. */
export interface CallOddity {
  src_resource_id: string
  dst_resource_id: string
  src_urn: string
  dst_urn: string
  measure: 'p95_ms' | 'err_rate'
  /** In the baseline. */
  expected: number
  /** In the range. */
  actual: number
  /** `actual - expected`. */
  rise: number
  /** Calls in the range. */
  call_count: number
}

/**
 * The calls that left their normal range: between whom, in which measure, and from what to what.
 *
 * One row per caller, callee and measure (`p95_ms` in milliseconds, `err_rate` in 0..1) that rose beyond the thresholds against the baseline and
 * beyond what chance explains; only rises are odd. Percentiles are those of all calls of a window, from merged histograms, within 1.083 %.
 * A call that the baseline does not know is odd when it fails; its latency has nothing to be compared with. Order: errors before latency, the
 * greatest rise first, then the URNs. In calm times: no rows.
 *
 * @throws InvalidInputError when a window runs backwards, the two overlap, or a threshold is out of its bounds.
 * @example
 * const odd = callOddities(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await odd.where('measure', '=', 'err_rate').execute()
 *
 * // select "oddity".* from (
 * //   with compared as (... from "public"."service_call_5m" where tenant_id = $3 and ... group by ...), measured as (...), odd as (...)
 * //   select ... from odd join "public"."dim_resource" as caller on ... join "public"."dim_resource" as callee on ... order by ...
 * // ) as "oddity" where "measure" = $19
 */
export function callOddities(scope: Scope, windows: OddityWindows) {
  const oddities = sql<CallOddity>`(
    with ${oddCalls(scope, windows)}
    select
      odd.src as src_resource_id,
      odd.dst as dst_resource_id,
      caller.urn as src_urn,
      callee.urn as dst_urn,
      odd.measure,
      odd.expected,
      odd.actual,
      odd.rise,
      odd.calls as call_count
    from odd
    join ${scope.id('dim_resource')} as caller on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = odd.src
    join ${scope.id('dim_resource')} as callee on callee.tenant_id = ${scope.tenantId}::int8 and callee.resource_id = odd.dst
    order by odd.measure collate "C", odd.rise desc, caller.urn collate "C", callee.urn collate "C"
  )`
  return finished(scope, oddities, 'oddity')
}
