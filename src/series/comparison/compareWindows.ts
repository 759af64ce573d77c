import { sql } from 'kysely'
import { z } from 'zod'
import type { Finished } from '../../database/finished.ts'
import { refuseOverlapping, timeRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { compareSamples, comparisonFields, type Comparison, type ComparisonOptions } from './compareSamples.ts'

export interface CompareWindowsOptions extends ComparisonOptions {
  /** The normal time: buckets that begin in it. */
  baseline: TimeRange
  /** The time to judge; it must not overlap the baseline. */
  candidate: TimeRange
}

const compareWindowsOptions = z
  .strictObject({ baseline: timeRange, candidate: timeRange, ...comparisonFields })
  .superRefine(refuseOverlapping)

/**
 * Compares one time window with another, series by series: did the deploy change anything, by how
 * much, and how sure is the answer. The largest effect comes first, then by series.
 *
 * | | |
 * |---|---|
 * | a row | for each series with a point in either window |
 * | stop a deploy on | any verdict except `'same'` and `'down'` (for latencies and errors), and on a missing row |
 * | ignored values | null, NaN, magnitudes above 1e100 |
 * | only ranks count | single spikes, skew and the unit have no influence. If a shift separates the windows fully, its size has none either: see `shift` |
 * | seasons | are unknown: compare with the same hours of last week |
 *
 * It compares points, not the calls behind them. {@link compareCalls} compares every call, and has
 * an answer from three buckets of five minutes.
 *
 * The test assumes independent points. Neighbouring points of a series rarely are, so p-values come
 * out too small: a whole day nearly always differs from another in something. `minEffect` keeps
 * such differences out of the verdict.
 *
 * Literature: Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
 * Larger than the Other" (Annals of Mathematical Statistics 1947); Cliff, "Dominance Statistics"
 * (Psychological Bulletin 1993); Romano et al. (2006) for the names of the effect sizes.
 *
 * @throws InvalidInputError if the windows overlap, or naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: { from: before.from, to: after.to } })
 * const [change] = await compareWindows(scope, latency, { baseline: before, candidate: after }).execute()
 * // A missing row and `unknown` stop the deploy too.
 * if (change?.verdict !== 'same' && change?.verdict !== 'down') throw new Error(`checkout: ${change?.verdict ?? 'no points'}`)
 *
 * // select "comparison".* from (
 * //   select ..., "pair"."effect", "pair"."p_value", case ... end as "verdict", ... from (
 * //     select "pair".*, (2::float8 * pair.u - pair.pairs) / nullif(pair.pairs, 0::float8) as
 * //       "effect", case ... erfc(...) ... end as "p_value" from (...
 * //       select "point"."series", sum(<mid-rank>) filter (where point.candidate) as "rank_sum",
 * //         ... from (
 * //         select ..., (rank() over (partition by point.series order by point.value))::float8 as
 * //           "least_rank", ... from (...) as "point"
 * //       ) as "point" group by "point"."series"
 * //     ...) as "pair"
 * //   ) as "pair" order by "score" desc nulls last, ("pair"."series") collate "C"
 * // ) as "comparison"
 */
export function compareWindows(scope: Scope, frame: SeriesFrame, options: CompareWindowsOptions): Finished<Comparison, 'comparison'> {
  const { baseline: before, candidate: after, ...settings } = parseOptions(compareWindowsOptions, options)
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
  return compareSamples(scope, sample, settings)
}
