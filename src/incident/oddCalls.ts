import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse } from '../schema/parse.ts'

/** From when on a call counts as odd. Both conditions of a measure must hold. */
export interface OddityThresholds {
  /** The 95th percentile is more than this many times what it was. Default: 2. */
  latencyFactor?: number
  /** And more than this many milliseconds above it. Default: 50. */
  latencyRiseMs?: number
  /** The error ratio is more than this many times what it was. Default: 2. */
  errorFactor?: number
  /** And more than this above it, in 0..1. Default: 0.02. */
  errorRise?: number
  /** With fewer calls than this in the range (for the latency: or in the baseline) nothing is said about a measure. Default: 10. */
  minCalls?: number
}

export interface OddityWindows {
  /** The time in question. A bucket belongs to it when it begins in it. */
  range: TimeRange
  /** A time when all was well, to compare with; the longer the better. It must not overlap `range`. */
  baseline: TimeRange
  thresholds?: OddityThresholds
}

const thresholdsInput = z.strictObject({
  latencyFactor: z.number().min(1).default(2),
  latencyRiseMs: z.number().min(0).default(50),
  errorFactor: z.number().min(1).default(2),
  errorRise: z.number().min(0).max(1).default(0.02),
  minCalls: z.int().min(1).default(10),
})

/**
 * The common table expressions that compare every call of the tenant in a range with a baseline: `compared`, one row per caller and callee, and
 * `odd`, one row per caller, callee and measure that left its normal range.
 *
 * A difference must not be chance. What is held against the thresholds is therefore not the percentile or ratio itself but the lower end of its
 * two-sided 95 % confidence interval: for the percentile the sample of rank q - 1.96 sqrt(q (1 - q) / n), which supposes nothing about the distribution
 * (Conover, "Practical Nonparametric Statistics", 1999, section 3.2); for the error ratio Wilson's score interval (Wilson, "Probable
 * inference, the law of succession, and statistical inference", 1927).
 */
export function oddCalls(scope: Scope, { range, baseline, thresholds = {} }: OddityWindows): RawBuilder<unknown> {
  const now = checkedRange(range)
  const before = checkedRange(baseline, 'baseline')
  if (now.from < before.to && before.from < now.to) {
    throw new InvalidInputError(
      'baseline',
      `must not overlap the range (from ${now.from.toISOString()} to ${now.to.toISOString()}), got ${before.from.toISOString()} to ${before.to.toISOString()}`,
    )
  }
  const { latencyFactor, latencyRiseMs, errorFactor, errorRise, minCalls } = parse(thresholdsInput, thresholds, 'thresholds')
  const inRange = sql`bucket >= ${now.from}::timestamptz and bucket < ${now.to}::timestamptz`
  const inBaseline = sql`bucket >= ${before.from}::timestamptz and bucket < ${before.to}::timestamptz`
  const merge = scope.id('exp_histogram_merge')
  const quantile = scope.id('exp_histogram_quantile')
  return sql`compared as (
    select
      src_resource_id as src,
      dst_resource_id as dst,
      coalesce(sum(call_count) filter (where is_now), 0)::float8 as calls,
      coalesce(sum(error_count) filter (where is_now), 0)::float8 as errors,
      coalesce(sum(call_count) filter (where not is_now), 0)::float8 as calls_before,
      coalesce(sum(error_count) filter (where not is_now), 0)::float8 as errors_before,
      ${merge}(histogram) filter (where is_now) as histogram,
      ${merge}(histogram) filter (where not is_now) as histogram_before
    from (
      select
        src_resource_id, dst_resource_id, call_count, error_count, ${inRange} as is_now,
        coalesce(histogram, case when call_count = 1 then ${scope.id('exp_histogram')}(p95_ms) end) as histogram
      from ${scope.id('service_call_5m')}
      where tenant_id = ${scope.tenantId}::int8 and (${inRange} or ${inBaseline})
    ) as call
    group by src_resource_id, dst_resource_id
  ), measured as (
    select
      src, dst, calls, 'p95_ms' as measure,
      ${quantile}(histogram_before, 0.95) as expected,
      ${quantile}(histogram, 0.95) as actual,
      ${quantile}(histogram, greatest(0, 0.95 - 1.96 * sqrt(0.95 * 0.05 / ${scope.id('exp_histogram_count')}(histogram)))) as at_least,
      ${latencyFactor}::float8 as factor,
      ${latencyRiseMs}::float8 as rise
    from compared
    where ${scope.id('exp_histogram_count')}(histogram) >= ${minCalls}::int4
      and ${scope.id('exp_histogram_count')}(histogram_before) >= ${minCalls}::int4
    union all
    select
      src, dst, calls, 'err_rate',
      -- A call that was never made before has never failed before.
      coalesce(errors_before / nullif(calls_before, 0), 0),
      errors / calls,
      (errors + 1.9208 - 1.96 * sqrt(errors * (calls - errors) / calls + 0.9604)) / (calls + 3.8416),
      ${errorFactor}::float8,
      ${errorRise}::float8
    from compared
    where calls >= ${minCalls}::int4
  ), odd as (
    select src, dst, calls, measure, expected, actual, actual - expected as rise
    from measured
    where actual > expected and at_least > expected * factor and at_least - expected > rise
  )`
}
