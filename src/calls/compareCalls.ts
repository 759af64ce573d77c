import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { refuseOverlapping, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import { normalWidth } from '../series/trends/normalQuantile.ts'
import { recordingScale, relativeError } from '../sketch/exponentialHistogram.ts'
import { callRows, callSide, type CallSide } from './callRows.ts'
import { callFilter, callsBetween, type CallFilter } from './callsBetween.ts'
import { wilson } from './wilson.ts'

export interface CompareCallsOptions extends Omit<CallFilter, 'range'> {
  /**
   * The normal time: buckets that begin in it. A longer one gives a better measure of its
   * variation.
   */
  baseline: TimeRange
  /** The time to judge; it must not overlap the baseline. */
  candidate: TimeRange
  /**
   * What a row stands for. `'call'`: one caller calling one callee. `'callee'`: all calls to a
   * resource. Default: `'call'` if `from` is given, otherwise `'callee'`.
   */
  by?: 'call' | 'callee'
  /** Whose latency. Default: `'caller'`, what the caller waited. */
  side?: CallSide
  /** The percentile of the latencies to compare, 0..1. Default: 0.95. */
  percentile?: number
  /** The probability that chance alone looks like a difference, 0.0001 to 0.5. Default: 0.01. */
  alpha?: number
  /** The smallest factor by which latencies must differ. Default: 1.2. */
  minRatio?: number
  /** The smallest difference of error ratios, 0..1. Default: 0.005. */
  minErrorChange?: number
  /**
   * With fewer calls on either side the verdict is `'unknown'`. Default: enough that five are
   * slower than the percentile, which is 100 for 0.95.
   */
  minCalls?: number
}

/** How calls changed from one window to another. */
export interface CallChange {
  /** URN of the caller; null if a row stands for all callers. */
  src_urn: string | null
  /** URN of the callee. */
  dst_urn: string
  /**
   * `'worse'` if the calls are slower or fail more. Otherwise `'unknown'` if latency or errors
   * cannot be judged. Otherwise `'better'` if they are faster or fail less. Otherwise `'same'`.
   */
  verdict: 'worse' | 'better' | 'same' | 'unknown'
  latency_verdict: 'slower' | 'faster' | 'same' | 'unknown'
  errors_verdict: 'more' | 'fewer' | 'same' | 'unknown'
  baseline_calls: number
  candidate_calls: number
  /** The percentile, in milliseconds; null if no bucket has latencies. */
  baseline_ms: number | null
  /** As `baseline_ms`. */
  candidate_ms: number | null
  /** The candidate's percentile divided by the baseline's; null if either is null or 0. */
  ratio: number | null
  /** The interval of the ratio, at the confidence `1 - alpha`; null if it cannot be computed. */
  ratio_low: number | null
  ratio_high: number | null
  /** Errors divided by calls, 0..1; null without calls. */
  baseline_err_rate: number | null
  /** As `baseline_err_rate`. */
  candidate_err_rate: number | null
  /** The candidate's error ratio minus the baseline's; null if either is null. */
  err_rate_change: number | null
  /** The interval of the change, at the confidence `1 - alpha`; null if it cannot be computed. */
  err_rate_change_low: number | null
  err_rate_change_high: number | null
}

const compareCallsOptions = z
  .strictObject({
    from: callFilter.from,
    to: callFilter.to,
    baseline: timeRange,
    candidate: timeRange,
    by: z.enum(['call', 'callee']).optional(),
    side: callSide,
    percentile: z.number().min(0.01).max(0.999).default(0.95),
    alpha: z.number().min(0.0001).max(0.5).default(0.01),
    minRatio: z.number().min(1).max(1000).default(1.2),
    minErrorChange: z.number().min(0).max(1).default(0.005),
    minCalls: z.int().min(1).max(1_000_000_000).optional(),
  })
  .superRefine(refuseOverlapping)

/**
 * Compares one window of calls with another, from all their calls: did the deploy make calls slower
 * or fail more, by how much, and how sure is the answer. What is worse comes first.
 *
 * | | |
 * |---|---|
 * | a row | for each dependency that was called in either window |
 * | latency | a percentile of the merged histograms, so three buckets with many calls are enough |
 * | how sure | intervals: for the percentile by order statistics, for the error ratio by Wilson's method |
 * | calls that vary together | if the baseline's buckets differ by more than chance, the intervals are wider by that factor; a few buckets have little influence. The candidate's buckets have none: they may differ because it begins to fail |
 * | `'unknown'` | too few calls, no calls, or no latencies. It is not good news: see the example |
 * | seasons | are unknown: compare with the same hours of last week |
 *
 * Several rows are several tests. Among a hundred simulated dependencies without a change, two were
 * called slower or faster at the default `alpha` with `minRatio: 1`, and six if their buckets vary
 * by 20 %.
 *
 * Literature: order statistics, David and Nagaraja (2003); Wilson (1927) and Newcombe (1998) on
 * proportions and their differences; quasi-likelihood, McCullagh and Nelder (1989).
 *
 * @throws InvalidInputError if the windows overlap, or naming the option that is out of its range.
 * @example
 * const [change] = await compareCalls(scope, { to: checkout, baseline: before, candidate: after }).execute()
 * // A missing row and `unknown` stop the deploy too.
 * if (change?.verdict !== 'same' && change?.verdict !== 'better') throw new Error(`checkout: ${change?.verdict ?? 'no calls'}`)
 *
 * // select "change".* from (
 * //   with bucket as (select "call"."dst_resource_id" as "dst", ..., "public"."exp_histogram_merge"(...) ...),
 * //   side as (select dst, candidate, sum(calls), public.exp_histogram_merge(histogram), ... from bucket ...), ...
 * //   select caller.urn as src_urn, callee.urn as dst_urn, change.verdict, ... from change
 * //   cross join lateral (...) as callee left join lateral (...) as caller on true order by ...
 * // ) as "change"
 */
export function compareCalls(scope: Scope, options: CompareCallsOptions): Finished<CallChange, 'change'> {
  const given = parseOptions(compareCallsOptions, options)
  const { from, to, baseline, candidate, side, percentile: p, by = from === undefined ? 'callee' : 'call' } = given
  const { alpha, minRatio, minErrorChange } = given
  const minCalls = given.minCalls ?? Math.ceil(5 / Math.min(p, 1 - p))
  const perCall = by === 'call'
  const range = {
    from: new Date(Math.min(baseline.from.getTime(), candidate.from.getTime())),
    to: new Date(Math.max(baseline.to.getTime(), candidate.to.getTime())),
  }
  const within = (window: TimeRange) => sql<boolean>`call.bucket >= ${window.from}::timestamptz and call.bucket < ${window.to}::timestamptz`
  const together = callRows(scope.id, { alias: 'call', side })
  const buckets = callsBetween(scope, { from, to, range })
    .where(sql<boolean>`(${within(baseline)} or ${within(candidate)})`)
    .groupBy(['call.dst_resource_id', 'call.bucket'])
    .$if(perCall, (calls) => calls.groupBy('call.src_resource_id'))
    .select([
      perCall ? 'call.src_resource_id as src' : sql<string | null>`null::int8`.as('src'),
      'call.dst_resource_id as dst',
      sql<boolean>`(call.bucket >= ${candidate.from}::timestamptz and call.bucket < ${candidate.to}::timestamptz)`.as('candidate'),
      together.callCount.as('calls'),
      together.errorCount.as('errors'),
      together.timedCount.as('timed'),
      together.merged.as('histogram'),
    ])
  const fn = scope.id
  const number = (value: number) => sql`${sql.lit(value)}::float8`
  /** The percentile, and those one standard error below and above it, of `timed` calls: found in one pass. */
  const quantiles = (histogram: string, timed: string) => {
    const beside = (errors: number) =>
      sql`least(greatest(${number(p)} + ${number(errors * Math.sqrt(p * (1 - p)))} / sqrt(${sql.raw(timed)}), 0::float8), 1::float8)`
    return sql`${fn('exp_histogram_quantiles')}(array[${sql.raw(histogram)}], array[${number(p)}, ${beside(-1)}, ${beside(1)}])`
  }
  /**
   * Half the width of an interval, in standard errors, including the degrees of freedom of
   * {@link moderated}.
   */
  const widthOf = (freedom: RawBuilder<unknown>) =>
    sql`${fn('student_t_width')}(${number(1 - alpha)}, ${number(normalWidth(1 - alpha))}, (coalesce(${freedom}, 0::int8) + ${sql.lit(chance)}::int8)::float8)`
  /** The largest error of percentiles from histograms. */
  const rounding = number(relativeError(recordingScale))
  const changes = sql<CallChange>`(
    with bucket as (
      select each.src, each.dst, each.candidate, each.calls, each.errors, each.timed, each.histogram from (${buckets}) as each
    ), swing as (
      -- How much more the baseline's buckets differ than by chance.
      select sample.src, sample.dst,
        ${moderated(
          sql`var_samp(ln(sample.middle)) / nullif(avg((ln(sample.high / sample.low) / 2::float8) ^ 2::float8 + ${rounding} ^ 2::float8), 0::float8)`,
          sql`count(*) - 1::int8`,
        )} as latency,
        count(*) - 1::int8 as freedom
      from (
        select bucket.src, bucket.dst,
          nullif(found.quantile[1], 0::float8) as middle, nullif(found.quantile[2], 0::float8) as low, found.quantile[3] as high
        from bucket
        cross join lateral (select ${quantiles('bucket.histogram', 'bucket.timed')} as quantile offset 0) as found
        where not bucket.candidate and bucket.timed >= ${number(Math.ceil(minCalls / 5))}
      ) as sample
      where sample.middle > 0::float8 and sample.low > 0::float8
      group by sample.src, sample.dst
      having count(*) > 1::int8
    ), side as (
      select bucket.src, bucket.dst, bucket.candidate, sum(bucket.calls) as calls, sum(bucket.errors) as errors,
        sum(bucket.timed) as timed,
        ${fn('exp_histogram_merge')}(bucket.histogram) as histogram,
        count(*) filter (where bucket.calls > 0::float8) as buckets,
        sum(bucket.errors ^ 2::float8 / nullif(bucket.calls, 0::float8)) as squares
      from bucket
      group by bucket.src, bucket.dst, bucket.candidate
    ), measured as (
      select side.*,
        nullif(found.quantile[1], 0::float8) as ms, nullif(found.quantile[2], 0::float8) as low, nullif(found.quantile[3], 0::float8) as high,
        side.errors / nullif(side.calls, 0::float8) as ratio,
        ${moderated(
          sql`
            (side.squares - side.errors ^ 2::float8 / nullif(side.calls, 0::float8))
              / nullif(side.errors / nullif(side.calls, 0::float8) * (1::float8 - side.errors / nullif(side.calls, 0::float8)), 0::float8)
              / nullif(side.buckets - 1::int8, 0::int8)::float8`,
          sql`side.buckets - 1::int8`,
        )} as swing
      from side
      cross join lateral (select ${quantiles('side.histogram', 'side.timed')} as quantile offset 0) as found
    ), pair as (
      select coalesce(before.src, after.src) as src, coalesce(before.dst, after.dst) as dst,
        coalesce(before.calls, 0::float8) as baseline_calls, coalesce(after.calls, 0::float8) as candidate_calls,
        least(before.calls, after.calls) >= ${number(minCalls)} as enough,
        before.ms as baseline_ms, after.ms as candidate_ms,
        after.ms / before.ms as ratio,
        case when least(before.timed, after.timed) >= ${number(minCalls)} then ${widthOf(sql`swing.freedom`)} * sqrt(
          coalesce(swing.latency, 1::float8)
            * ((ln(before.high / before.low) / 2::float8) ^ 2::float8 + (ln(after.high / after.low) / 2::float8) ^ 2::float8)
            + 2::float8 * ${rounding} ^ 2::float8
        ) end as latency_width,
        before.ratio as baseline_err_rate, after.ratio as candidate_err_rate,
        before.calls / before.swing as baseline_weight,
        after.calls / before.swing as candidate_weight,
        ${widthOf(sql`before.buckets - 1::int8`)} as error_width
      from (select * from measured where not measured.candidate) as before
      full join (select * from measured where measured.candidate) as after
        on after.dst = before.dst and after.src is not distinct from before.src
      -- Each of these has a row before. A full join, as above: one by one they would be compared
      -- with each other where the planner expects few.
      full join swing on swing.dst = before.dst and swing.src is not distinct from before.src
    ), bounded as (
      select pair.*,
        pair.ratio * exp(-pair.latency_width) as ratio_low,
        pair.ratio * exp(pair.latency_width) as ratio_high,
        pair.candidate_err_rate - pair.baseline_err_rate as err_rate_change,
        case when pair.enough then pair.candidate_err_rate - pair.baseline_err_rate
          - sqrt((pair.candidate_err_rate - candidate.low) ^ 2::float8 + (baseline.high - pair.baseline_err_rate) ^ 2::float8)
        end as err_rate_change_low,
        case when pair.enough then pair.candidate_err_rate - pair.baseline_err_rate
          + sqrt((candidate.high - pair.candidate_err_rate) ^ 2::float8 + (pair.baseline_err_rate - baseline.low) ^ 2::float8)
        end as err_rate_change_high
      from pair
      cross join lateral (${errorInterval('baseline')}) as baseline
      cross join lateral (${errorInterval('candidate')}) as candidate
    ), judged as (
      select bounded.*,
        case
          when bounded.ratio_low is null then 'unknown'
          when bounded.ratio_low > 1::float8 and bounded.ratio >= ${number(minRatio)} then 'slower'
          when bounded.ratio_high < 1::float8 and bounded.ratio <= ${number(1 / minRatio)} then 'faster'
          else 'same'
        end as latency_verdict,
        case
          when bounded.err_rate_change_low is null then 'unknown'
          when bounded.err_rate_change_low > 0::float8 and bounded.err_rate_change >= ${number(minErrorChange)} then 'more'
          when bounded.err_rate_change_high < 0::float8 and bounded.err_rate_change <= ${number(-minErrorChange)} then 'fewer'
          else 'same'
        end as errors_verdict
      from bounded
    ), change as (
      select judged.*,
        case
          when judged.latency_verdict = 'slower' or judged.errors_verdict = 'more' then 'worse'
          when judged.latency_verdict = 'unknown' or judged.errors_verdict = 'unknown' then 'unknown'
          when judged.latency_verdict = 'faster' or judged.errors_verdict = 'fewer' then 'better'
          else 'same'
        end as verdict
      from judged
    )
    select caller.urn as src_urn, callee.urn as dst_urn, change.verdict, change.latency_verdict, change.errors_verdict, change.baseline_calls, change.candidate_calls,
      change.baseline_ms, change.candidate_ms, change.ratio, change.ratio_low, change.ratio_high, change.baseline_err_rate, change.candidate_err_rate,
      change.err_rate_change, change.err_rate_change_low, change.err_rate_change_high
    from change
    cross join lateral ${resourceAt(scope, 'change.dst')} as callee
    left join lateral ${resourceAt(scope, 'change.src')} as caller on true
    ${perCall ? sql`where caller.urn is not null` : sql``}
    order by
      case change.verdict when 'worse' then 1 when 'unknown' then 2 when 'same' then 3 else 4 end,
      greatest(abs(ln(change.ratio)), 10::float8 * abs(change.err_rate_change)) desc nulls last,
      callee.urn collate "C",
      caller.urn collate "C" nulls first
  )`
  return finished(scope, changes, 'change')

  /** The interval of an error ratio; calls that vary together count for fewer. */
  function errorInterval(end: 'baseline' | 'candidate') {
    const weight = sql`nullif(${sql.raw(`pair.${end}_weight`)}, 0::float8)`
    const { at, reach, scale } = wilson(sql.raw(`pair.${end}_err_rate`), weight, sql.raw('pair.error_width'))
    return sql`
        select (centre.at - centre.reach) / centre.scale as low, (centre.at + centre.reach) / centre.scale as high
        from (
          select ${at} as at,
            ${reach} as reach,
            ${scale} as scale
        ) as centre`
  }
}

/**
 * The number of buckets that are assumed to vary by chance alone, in addition to those observed.
 */
const chance = 4

/**
 * How much more buckets vary than by chance, at least 1. A few buckets say little about that, so
 * the estimate is drawn towards 1.
 */
const moderated = (swing: RawBuilder<unknown>, freedom: RawBuilder<unknown>) => sql`greatest(
          coalesce(
            (${sql.lit(chance)}::float8 + (${freedom})::float8 * (${swing})) / (${sql.lit(chance)}::int8 + ${freedom})::float8,
            1::float8
          ),
          1::float8
        )`
