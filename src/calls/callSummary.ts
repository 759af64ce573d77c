import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import type { TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { callRows } from './callRows.ts'
import { callsInRange } from './callsInRange.ts'

export interface CallSummaryOptions {
  /** The caller's URN: its dependencies. Every caller when left out. */
  service?: string
  /** The callee's URN. Every callee when left out. */
  callee?: string
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a row stands for: `'call'`, one caller calling one callee, or `'callee'`, everybody calling it. Default: `'call'` with a `service`, else
   * `'callee'`.
   */
  by?: 'call' | 'callee'
}

/**
 * Rate, errors and latency of calls over a whole range, one row for each dependency; slowest first (95th percentile, then error ratio, then URNs).
 *
 * Rows: `src_urn` of the caller (null where a row stands for all callers), `urn` of the callee; `call_count`, `error_count`; `rps`, calls per second of
 * the range's length; `err_rate`, errors by calls (0..1), null without calls; `p50_ms`, `p95_ms`, `p99_ms`, the percentiles (nearest rank) of all calls
 * of the range in milliseconds, null where no bucket says how long they took. Who was not called in the range is absent.
 *
 * Percentiles come from the merged histograms: at most 1.083 % from the exact one, whatever the range and the traffic. Counts and ratios are exact. Rows
 * loaded without counts and histograms (a rate and percentiles alone) have nothing to add: `slowestDependencies` reads those.
 *
 * @throws InvalidInputError when a URN or the range is none.
 * @example
 * const summary = callSummary(scope, { service: 'urn:k8s:svc:shop/checkout', range: last('6 hours') })
 * await summary.where('err_rate', '>', 0.01).execute()
 *
 * // select "dependency".* from (
 * //   select "caller"."urn" as "src_urn", "callee"."urn" as "urn", sum("call"."call_count")::float8 as "call_count", ...,
 * //     "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(coalesce("call"."histogram", case when "call"."call_count" = 1 then
 * //       "public"."exp_histogram"("call"."p50_ms") end)), 0.95) as "p95_ms", ...
 * //   from "public"."service_call_5m" as "call" inner join ... where "call"."tenant_id" = $2 and ...
 * //   group by "callee"."urn", "caller"."urn" order by "p95_ms" desc nulls last,
 * //     "err_rate" desc nulls last, ("callee"."urn") collate "C", ("caller"."urn") collate "C"
 * // ) as "dependency" where "err_rate" > $6
 */
export function callSummary(scope: Scope, { service, callee, range, by = service === undefined ? 'callee' : 'call' }: CallSummaryOptions) {
  const perCall = parse(z.enum(['call', 'callee']), by, 'by') === 'call'
  const together = callRows(scope.id, { alias: 'call' })
  const from = parse(urnText.optional(), service, 'service')
  const to = parse(urnText.optional(), callee, 'callee')
  const summary = callsInRange(scope, { from, to, range })
    .groupBy('callee.urn')
    .$if(perCall, (calls) => calls.groupBy('caller.urn'))
    .select([
      (perCall ? sql<string | null>`"caller"."urn"` : sql<string | null>`null::text`).as('src_urn'),
      'callee.urn as urn',
      together.callCount.as('call_count'),
      together.errorCount.as('error_count'),
      together.callsPerSecond(range).as('rps'),
      together.errorRatio.as('err_rate'),
      together.quantile(0.5).as('p50_ms'),
      together.quantile(0.95).as('p95_ms'),
      together.quantile(0.99).as('p99_ms'),
    ])
    .orderBy('p95_ms', (order) => order.desc().nullsLast())
    .orderBy('err_rate', (order) => order.desc().nullsLast())
    .orderBy(byBytes(sql.ref('callee.urn')))
    .$if(perCall, (calls) => calls.orderBy(byBytes(sql.ref('caller.urn'))))
  return finished(scope, summary, 'dependency')
}
