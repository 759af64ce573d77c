import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { callRows } from '../calls/callRows.ts'
import { wilsonEnd } from '../calls/wilson.ts'
import { bucketWindows } from '../database/comparedWindows.ts'
import type { TimeRange } from '../database/range.ts'
import { bounded } from '../database/sql/bounded.ts'
import type { Scope } from '../database/scope.ts'
import { certainty, standardErrors } from './certainty.ts'

/** When a call counts as odd. Both conditions of a measure must hold. */
export interface OddityThresholds {
  /** The 95th percentile is more than this many times the baseline's. Default: 2. */
  latencyFactor?: number
  /** And more than this many milliseconds above it. Default: 50. */
  latencyRiseMs?: number
  /** The error ratio is more than this many times the baseline's. Default: 2. */
  errorFactor?: number
  /** And more than this above it, in 0..1. Default: 0.02. */
  errorRise?: number
  /** With fewer calls in the range a measure is not judged. Default: 5. */
  minCalls?: number
}

export interface OddityWindows {
  /**
   * The time to judge. Of calls, the five-minute buckets in which it begins and ends belong to it;
   * of metrics, each minute that begins in it.
   */
  range: TimeRange
  /**
   * A normal time to compare with; a longer one is better. It must not overlap `range`. A bucket
   * that belongs to both counts for the range.
   */
  baseline: TimeRange
  thresholds?: OddityThresholds
}

export interface OddCallsOptions extends OddityWindows {
  thresholds: Required<OddityThresholds>
  /** This number of standard errors may be chance. */
  standardErrors?: number
}

export const oddityThresholds = z.strictObject({
  latencyFactor: z.number().min(1).default(2),
  latencyRiseMs: z.number().min(0).default(50),
  errorFactor: z.number().min(1).default(2),
  errorRise: z.number().min(0).max(1).default(0.02),
  minCalls: z.int().min(1).default(5),
})

/** Whether the column `bucket` begins in a window. */
export const beginsIn = ({ from, to }: TimeRange): RawBuilder<boolean> =>
  sql<boolean>`bucket >= ${from}::timestamptz and bucket < ${to}::timestamptz`

/**
 * The common table expressions that compare every call of the tenant in a range with a baseline.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `compared_call` | caller and callee of either window | `src`, `dst`, and for each window the calls, the errors, the extremes of `p95_ms`, the histograms |
 * | `call_measure` | caller, callee and measure that can be judged | `measure`, `expected`, `actual`, `at_most` and `at_least` (the bounds of the two by chance), `lost`, `z` (their distance in standard errors) |
 * | `odd_measure` | one of those that left its normal range | `rise`, `certain` (the share that is not chance, see `certainty`), those of `call_measure` |
 *
 * A difference must not be chance, in either window. The lower end of the range's two-sided 95 %
 * confidence interval must be above the upper end of the baseline's, and as far above the expected
 * value as the thresholds require.
 *
 * - For the error ratio it is Wilson's score interval ("Probable inference, the law of succession,
 *   and statistical inference", 1927).
 * - For the percentile, the ends are the samples whose ranks are the ends of the same interval of
 *   0.95, for any distribution of latencies (Conover, "Practical Nonparametric Statistics", 1999,
 *   section 3.2).
 * - If a short baseline has too few calls to know how often a rare call fails, all calls together
 *   decide (an empirical Bayes estimate: Casella, "An Introduction to Empirical Bayes Data
 *   Analysis", 1985).
 *
 * `lost` is the total cost of an odd call compared with the baseline: milliseconds waited, or calls
 * failed. The mean latency is that of ten quantiles, each in the middle of a tenth: one call in a
 * hundred that hangs for a minute does not outweigh all others.
 */
export function oddCalls(scope: Scope, { thresholds, standardErrors: mayBeChance, ...windows }: OddCallsOptions): RawBuilder<unknown> {
  const { range, baseline } = bucketWindows(windows)
  const { latencyFactor, latencyRiseMs, errorFactor, errorRise, minCalls } = thresholds
  const inRange = beginsIn(range)
  const inBaseline = beginsIn(baseline)
  const rows = callRows(scope.id)
  const collect = scope.id('exp_histogram_collect')
  const of = (latency: string) => sql.raw(bounded(latency))
  const p95 = sql<number>`0.95::float8`
  const nowCount = sql<number>`measured_calls`
  const beforeCount = sql<number>`measured_before`
  return sql`compared_call as materialized (
    select
      src_resource_id as src,
      dst_resource_id as dst,
      coalesce(sum(call_count) filter (where is_now), 0)::float8 as calls,
      coalesce(sum(error_count) filter (where is_now), 0)::float8 as errors,
      coalesce(sum(call_count) filter (where not is_now), 0)::float8 as calls_before,
      coalesce(sum(error_count) filter (where not is_now), 0)::float8 as errors_before,
      coalesce(sum(call_count) filter (where is_now and histogram is not null), 0)::float8 as measured_calls,
      coalesce(sum(call_count) filter (where not is_now and histogram is not null), 0)::float8 as measured_before,
      max(p95_ms) filter (where is_now) as most_now,
      min(p95_ms) filter (where not is_now) as least_before,
      ${collect}(histogram order by bucket) filter (where is_now) as histograms,
      ${collect}(histogram order by bucket) filter (where not is_now) as histograms_before
    from (
      select src_resource_id, dst_resource_id, bucket, call_count, error_count, ${of('p95_ms')} as p95_ms, ${inRange} as is_now, ${rows.histogram} as histogram
      from ${scope.id('service_call_5m')}
      where tenant_id = ${scope.tenantId}::int8 and (${inRange} or ${inBaseline})
    ) as call
    group by src_resource_id, dst_resource_id
  ), call_measure as (
    select
      src, dst, calls, calls_before, 'p95_ms' as measure,
      ${of('quantile_before[1]')} as expected,
      ${of('quantile[1]')} as actual,
      ${of('quantile_before[2]')} as at_most,
      ${of('quantile[2]')} as at_least,
      ${latencyFactor}::float8 as factor,
      ${latencyRiseMs}::float8 as rise,
      calls * (${meanOfTenths('quantile', 3)} - ${meanOfTenths('quantile_before', 3)}) as lost,
      -- Of the logarithms: how far the means, or the percentiles, are apart.
      greatest(
        log_now.mean - log_before.mean,
        ln(greatest(${of('quantile[1]')}, 0.001)) - ln(greatest(${of('quantile_before[1]')}, 0.001))
      ) / sqrt(
        greatest(0.01, coalesce((log_now.variance * ${nowCount} + log_before.variance * ${beforeCount}) / (${nowCount} + ${beforeCount}), 0::float8))
          * (1::float8 / ${nowCount} + 1::float8 / ${beforeCount})
      ) as z
    from compared_call
    cross join lateral (
      select
        ${quantiles(scope, 'histograms', sql`pg_catalog.array_cat(array[0.95, ${wilsonEnd('-', p95, nowCount)}], ${tenths})`)} as quantile,
        ${quantiles(scope, 'histograms_before', sql`pg_catalog.array_cat(array[0.95, ${wilsonEnd('+', p95, beforeCount)}], ${tenths})`)} as quantile_before
      -- The offset: computed once, not once for each use.
      offset 0
    ) as of_both
    cross join lateral ${logsOf('quantile')} as log_now
    cross join lateral ${logsOf('quantile_before')} as log_before
    where measured_calls >= ${minCalls}::float8 and measured_before > 0::float8
      -- A percentile of several buckets is between their lowest and their highest: that decides
      -- most calls.
      and coalesce(most_now * 1.1::float8 > least_before * ${latencyFactor}::float8, true)
    union all
    select
      src, dst, calls, calls_before, 'err_rate',
      -- A call that was never made before has never failed before.
      coalesce(errors_before / nullif(calls_before, 0::float8), 0),
      errors / calls,
      -- As if it had been made twenty more times, failing at the overall rate.
      ${wilsonEnd('+', sql`((errors_before + 20::float8 * overall.err_rate) / (calls_before + 20::float8))`, sql`(calls_before + 20::float8)`)},
      ${wilsonEnd('-', sql`(errors / calls)`, sql`calls`)},
      ${errorFactor}::float8,
      ${errorRise}::float8,
      errors - calls * coalesce(errors_before / nullif(calls_before, 0::float8), 0),
      ${standardErrors({
        actual: sql`errors`,
        expected: sql`(calls * errors_before / nullif(calls_before, 0::float8))`,
        ratio: sql`(calls / nullif(calls_before, 0::float8))`,
      })}
    from compared_call
    cross join (select coalesce(sum(errors_before) / nullif(sum(calls_before), 0::float8), 0) as err_rate from compared_call) as overall
    where calls >= ${minCalls}::float8
  ), odd_measure as (
    select
      src, dst, calls, calls_before, measure, expected, actual, actual - expected as rise, lost,
      -- A call that was never made before has nothing to be compared with.
      case when calls_before = 0::float8 then 1::float8 else ${certainty(sql`z`, mayBeChance)} end as certain
    from call_measure
    where at_least > at_most and at_least > expected * factor and at_least - expected > rise
  )`
}

/** The quantiles of the latencies of a row of `compared_call` in one window. */
export const quantiles = (
  scope: Scope,
  histograms: 'histograms' | 'histograms_before',
  shares: RawBuilder<unknown>,
): RawBuilder<number[]> => sql`${scope.id('exp_histogram_quantiles')}(${sql.ref(histograms)}, ${shares})`

/** The mean and the variance of the logarithms of the tenths in an array of `call_measure`. */
const logsOf = (quantile: string): RawBuilder<unknown> =>
  sql`(
      select avg(ln(greatest(${sql.raw(bounded('value'))}, 0.001))) as mean, var_pop(ln(greatest(${sql.raw(bounded('value'))}, 0.001))) as variance
      from pg_catalog.unnest((${sql.ref(quantile)})[3:]) as value
    )`

/** The middle of each tenth. */
export const tenths = sql`array[0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]::float8[]`

/**
 * The mean of an array's elements, starting at one of them. Bounded, so that products with it stay
 * finite.
 */
export const meanOfTenths = (quantile: string, from: number): RawBuilder<number> =>
  sql`(
    select avg(greatest(-1e100, least(1e100, ${sql.raw(bounded('value'))}))) from pg_catalog.unnest((${sql.ref(quantile)})[${sql.lit(from)}:]) as value
  )`
