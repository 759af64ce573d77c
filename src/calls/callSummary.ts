import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { descNullsLast } from '../database/sql/descNullsLast.ts'
import { parseOptions } from '../schema/parse.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { callRows, callSide, type CallSide } from './callRows.ts'
import { callFilter, callsBetween, type CallFilter } from './callsBetween.ts'

export interface CallSummaryOptions extends CallFilter {
  /**
   * What a row stands for. `'call'`: one caller calling one callee. `'callee'`: all calls to a
   * resource. Default: `'call'` if `from` is given, otherwise `'callee'`.
   */
  by?: 'call' | 'callee'
  /**
   * Whose latency. `'caller'`: what the caller waited. `'callee'`: what the callee took. Default:
   * `'caller'`.
   */
  side?: CallSide
}

export interface CallSummaryRow {
  /** URN of the caller; null if a row stands for all callers. */
  src_urn: string | null
  /** URN of the callee. */
  dst_urn: string
  call_count: number
  error_count: number
  /** Calls per second, over the length of the range. */
  rps: number
  /** Errors divided by calls, 0..1; null without calls. */
  err_rate: number | null
  /** Percentiles of all calls of the range, in milliseconds; null if no bucket has latencies. */
  p50_ms: number | null
  p95_ms: number | null
  p99_ms: number | null
}

const callSummaryOptions = z.strictObject({ ...callFilter, by: z.enum(['call', 'callee']).optional(), side: callSide })

/**
 * Rate, errors and latency of calls over a whole range: one row for each dependency, slowest first.
 *
 * | | |
 * |---|---|
 * | order | `p95_ms`, then `err_rate`, both descending with nulls last; then `dst_urn` and `src_urn` by their bytes |
 * | absent | a service that was not called in the range |
 * | percentiles | nearest rank, from the merged histograms: at most 1.083 % off for any range and traffic |
 * | `side: 'callee'` | percentiles of the callees' own spans; null if none arrived |
 * | counts and ratios | exact |
 * | rows without counts and histograms | cannot be added up: use `slowestDependencies` for them |
 *
 * @throws InvalidInputError if a URN, the range, `by` or `side` is invalid; names the field.
 * @example
 * const summary = callSummary(scope, { from: 'urn:k8s:svc:shop/checkout', range: last('6 hours') })
 * await summary.where('err_rate', '>', 0.01).execute()
 *
 * // select "dependency".* from (
 * //   select "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", "call"."call_count", ...
 * //   from (
 * //     select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst",
 * //       sum("call"."call_count")::float8 as "call_count", ...,
 * //       "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(...), 0.95) as "p95_ms",
 * //       ...
 * //     from "public"."service_call_5m" as "call" where "call"."src_resource_id" = (select ...) and
 * //       ... group by "call"."dst_resource_id", "call"."src_resource_id"
 * //   ) as "call" inner join lateral (...) as "callee" on true left join lateral (...) as "caller"
 * //     on true where ... order by "call"."p95_ms" desc nulls last, ...
 * // ) as "dependency" where "err_rate" > $11
 */
export function callSummary(scope: Scope, options: CallSummaryOptions): Finished<CallSummaryRow, 'dependency'> {
  const { from, to, range, side, by = from === undefined ? 'callee' : 'call' } = parseOptions(callSummaryOptions, options)
  const perCall = by === 'call'
  const together = callRows(scope.id, { alias: 'call', side })
  const added = callsBetween(scope, { from, to, range })
    .groupBy('call.dst_resource_id')
    .$if(perCall, (calls) => calls.groupBy('call.src_resource_id'))
    .select([
      perCall ? 'call.src_resource_id as src' : sql<string | null>`null::int8`.as('src'),
      'call.dst_resource_id as dst',
      together.callCount.as('call_count'),
      together.errorCount.as('error_count'),
      together.callsPerSecond(range).as('rps'),
      together.errorRatio.as('err_rate'),
      together.quantile(0.5).as('p50_ms'),
      together.quantile(0.95).as('p95_ms'),
      together.quantile(0.99).as('p99_ms'),
    ])
  const summary = scope.db
    .selectFrom(added.as('call'))
    .innerJoinLateral(resourceAt(scope, 'call.dst').as('callee'), (join) => join.onTrue())
    .leftJoinLateral(resourceAt(scope, 'call.src').as('caller'), (join) => join.onTrue())
    .$if(perCall, (calls) => calls.where('caller.urn', 'is not', null))
    .select(['caller.urn as src_urn', 'callee.urn as dst_urn', 'call.call_count', 'call.error_count', 'call.rps', 'call.err_rate'])
    .select(['call.p50_ms', 'call.p95_ms', 'call.p99_ms'])
    .orderBy('call.p95_ms', descNullsLast)
    .orderBy('call.err_rate', descNullsLast)
    .orderBy(byBytes('callee.urn'))
    .orderBy(byBytes('caller.urn'))
  return finished(scope, summary, 'dependency')
}
