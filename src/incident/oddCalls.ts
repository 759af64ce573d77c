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
  /** With fewer calls than this in the range nothing is said about a measure. Default: 5. */
  minCalls?: number
}

export interface OddityWindows {
  /** The time in question. A bucket belongs to it when it begins in it. */
  range: TimeRange
  /** A time when all was well, to compare with; the longer the better. It must not overlap `range`. */
  baseline: TimeRange
  thresholds?: OddityThresholds
}

export const thresholdsInput = z.strictObject({
  latencyFactor: z.number().min(1).default(2),
  latencyRiseMs: z.number().min(0).default(50),
  errorFactor: z.number().min(1).default(2),
  errorRise: z.number().min(0).max(1).default(0.02),
  minCalls: z.int().min(1).default(5),
})

/** The two windows, checked: each runs forwards, and they do not overlap. */
export function checkedWindows({ range, baseline }: Pick<OddityWindows, 'range' | 'baseline'>): { now: TimeRange; before: TimeRange } {
  const now = checkedRange(range)
  const before = checkedRange(baseline, 'baseline')
  if (now.from < before.to && before.from < now.to) {
    throw new InvalidInputError(
      'baseline',
      `must not overlap the range (from ${now.from.toISOString()} to ${now.to.toISOString()}), got ${before.from.toISOString()} to ${before.to.toISOString()}`,
    )
  }
  return { now, before }
}

/** Whether the column `bucket` begins in a window. */
export const beginsIn = ({ from, to }: TimeRange): RawBuilder<boolean> =>
  sql<boolean>`bucket >= ${from}::timestamptz and bucket < ${to}::timestamptz`

/** One end of Wilson's two-sided 95 % score interval of a share that was observed as `share` in `count` trials. */
const wilson = (end: '-' | '+', share: RawBuilder<number>, count: RawBuilder<number>): RawBuilder<number> =>
  sql`(${share} + 1.9208 / ${count} ${sql.raw(end)} 1.96 * sqrt(${share} * (1 - ${share}) / ${count} + 0.9604 / ${count} ^ 2)) / (1 + 3.8416 / ${count})`

/**
 * The common table expressions that compare every call of the tenant in a range with a baseline: `compared`, one row per caller and callee, and
 * `odd`, one row per caller, callee and measure that left its normal range.
 *
 * A difference must not be chance, in either window. What is held against the thresholds is therefore not the percentile or ratio itself: the lower end of the
 * range's two-sided 95 % confidence interval is held against the upper end of the baseline's. For the error ratio that is the score interval of Wilson
 * ("Probable inference, the law of succession, and statistical inference", 1927); for the percentile the samples whose ranks are the ends of the
 * same interval of 0.95, which supposes nothing about how latencies are distributed (Conover, "Practical Nonparametric Statistics", 1999, section 3.2).
 *
 * `lost` is what an odd call cost in all, against the baseline: milliseconds waited, or calls failed. The mean is that of the ten quantiles in the middle
 * of each tenth: one call in a hundred that hangs for a minute does not outweigh all others.
 */
export function oddCalls(scope: Scope, { thresholds = {}, ...windows }: OddityWindows): RawBuilder<unknown> {
  const { now, before } = checkedWindows(windows)
  const { latencyFactor, latencyRiseMs, errorFactor, errorRise, minCalls } = parse(thresholdsInput, thresholds, 'thresholds')
  const inRange = beginsIn(now)
  const inBaseline = beginsIn(before)
  const merge = scope.id('exp_histogram_merge')
  const quantile = scope.id('exp_histogram_quantile')
  const count = scope.id('exp_histogram_count')
  const p95 = sql<number>`0.95`
  const nowCount = sql<number>`measured_calls`
  const beforeCount = sql<number>`measured_before`
  return sql`compared as (
    select
      *,
      ${count}(histogram)::float8 as measured_calls,
      ${count}(histogram_before)::float8 as measured_before
    from (
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
    ) as both_windows
  ), measured as (
    select
      src, dst, calls, calls_before, 'p95_ms' as measure, histogram, histogram_before,
      ${quantile}(histogram_before, 0.95) as expected,
      ${quantile}(histogram, 0.95) as actual,
      ${quantile}(histogram_before, ${wilson('+', p95, beforeCount)}) as at_most,
      ${quantile}(histogram, ${wilson('-', p95, nowCount)}) as at_least,
      ${latencyFactor}::float8 as factor,
      ${latencyRiseMs}::float8 as rise
    from compared
    where measured_calls >= ${minCalls}::int4 and measured_before > 0
    union all
    select
      src, dst, calls, calls_before, 'err_rate', null, null,
      -- A call that was never made before has never failed before.
      coalesce(errors_before / nullif(calls_before, 0), 0),
      errors / calls,
      case when calls_before = 0 then 0 else ${wilson('+', sql`(errors_before / calls_before)`, sql`calls_before`)} end,
      ${wilson('-', sql`(errors / calls)`, sql`calls`)},
      ${errorFactor}::float8,
      ${errorRise}::float8
    from compared
    where calls >= ${minCalls}::int4
  ), odd as (
    select
      src, dst, calls, calls_before, measure, expected, actual, actual - expected as rise,
      calls * case measure
        when 'err_rate' then actual - expected
        else least(1e100, (
          select avg(${quantile}(histogram, (tenth + 0.5) / 10) - ${quantile}(histogram_before, (tenth + 0.5) / 10)) from generate_series(0, 9) as tenth
        ))
      end as lost
    from measured
    where at_least > at_most and at_least > expected * factor and at_least - expected > rise
  )`
}
