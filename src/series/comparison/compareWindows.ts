import { sql } from 'kysely'
import { checkedRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { compareSamples, parseComparison, type ComparisonOptions } from './compareSamples.ts'
import { measuredPoints } from '../measuredPoints.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface CompareWindowsOptions extends ComparisonOptions {
  /** What was normal: buckets that begin in it. */
  baseline: TimeRange
  /** What is in question; it must not overlap the baseline. */
  candidate: TimeRange
}

/**
 * One window of time against another, series by series: did the deploy change anything, by how much, and how sure is that. The largest effect first,
 * then by series.
 *
 * Rows, a series that has a point in either window each:
 * - `baseline_points`, `candidate_points`: how many points there were.
 * - `baseline_median`, `candidate_median`, `shift` (candidate less baseline): in the series' unit.
 * - `effect`: Cliff's delta, -1 to 1: the share of pairs in which the candidate's point is the greater one, less the share in which it is the smaller. 0
 *   is no difference, 1 that every point of the candidate is above every point of the baseline.
 * - `p_value`: Mann-Whitney's U test, two-sided, by the normal approximation with corrections for ties and continuity: how likely ranks so far apart are
 *   where both windows are drawn from one distribution. Below about 8 points a side it is rough, and 1 where all points are equal.
 * - `verdict`: `'up'` or `'down'` where `p_value` is at most `alpha` and the effect at least `minEffect`, `'unknown'` with fewer than `minPoints` on
 *   either side, else `'same'`. For latencies and errors it is `'up'` that should stop a deploy.
 * - `item` (the series) and `score` (the effect's magnitude): the answer is a ranking frame too.
 *
 * Where a window has no point, its median is null, and so are shift, effect, p-value and score. Nulls, NaN and magnitudes above 1e100 are no points.
 * Only ranks count, so single spikes, skew and the unit have no say; so does the size of a shift that separates the windows fully: see `shift` for that.
 *
 * The test takes points for independent. Those of a series seldom are, which makes p-values too small: a whole day against a whole day differs in
 * something nearly always, and `minEffect` is what keeps it from being news. Neither is a season known: compare with the same hours of last week.
 *
 * Literature: Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically Larger than the Other" (Annals of Mathematical
 * Statistics 1947); Cliff, "Dominance Statistics" (Psychological Bulletin 1993); the names of the sizes, Romano et al. (2006).
 *
 * @throws InvalidInputError when the windows overlap, or naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: { from: before.from, to: after.to } })
 * const [change] = await compareWindows(scope, latency, { baseline: before, candidate: after }).execute()
 * if (change?.verdict === 'up') throw new Error(`slower by ${change.shift} ms`)
 *
 * // select "comparison".* from (
 * //   select ..., (2 * "u" - "pairs") / nullif("pairs", 0) as "effect", erfc(...) as "p_value", ... from (
 * //     select "series", sum(<mid-rank>) filter (where "candidate") as "rank_sum", ... from (
 * //       select ..., rank() over (partition by "series" order by "value"), count(*) over (partition by "series", "value") as "tied" ...
 * //     ) group by "series"
 * //   ) order by "score" desc nulls last, "series"
 * // ) as "comparison"
 */
export function compareWindows(scope: Scope, frame: SeriesFrame, { baseline, candidate, ...options }: CompareWindowsOptions) {
  const before = checkedRange(baseline, 'baseline')
  const after = checkedRange(candidate, 'candidate')
  if (before.from < after.to && after.from < before.to) {
    throw new InvalidInputError(
      'candidate',
      `must not overlap the baseline (${before.from.toISOString()} to ${before.to.toISOString()}), got ${after.from.toISOString()} to ${after.to.toISOString()}`,
    )
  }
  const sample = scope.db
    .selectFrom(measuredPoints(scope, frame).as('point'))
    .select([
      'point.series',
      'point.value',
      sql<boolean>`(point.bucket >= ${after.from}::timestamptz and point.bucket < ${after.to}::timestamptz)`.as('candidate'),
    ])
    .where(({ eb, or, and }) =>
      or([
        and([eb('point.bucket', '>=', before.from), eb('point.bucket', '<', before.to)]),
        and([eb('point.bucket', '>=', after.from), eb('point.bucket', '<', after.to)]),
      ]),
    )
  return compareSamples(scope, sample, parseComparison(options))
}
