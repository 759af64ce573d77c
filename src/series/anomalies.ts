import type { Scope } from '../database/scope.ts'
import { parseRobustScoreOptions, robustScores, type RobustScoreOptions } from './robustScores.ts'
import type { SeriesFrame } from './seriesFrame.ts'

/**
 * The points of a series frame that its own recent past does not let expect, in the order of series and time.
 *
 * A point is judged by the points of its series in the `window` before it, itself excluded: nothing later is looked at, so what is found does not change
 * when time goes on. `expected` is their median, `spread` 1.4826 times their median absolute deviation (which is the standard deviation, were they
 * normally distributed), but at least `floor` times `|expected|` and at least `minSpread`. `score` is `|value - expected| / spread`, `direction` says on
 * which side; rows with `score > threshold` are given. Median and deviation stay put until half of the window is anomalous: after that a level that
 * lasts is the new normal.
 *
 * Rows: `series`, `bucket`, `value`, `expected`, `spread`, `score`, `direction` (`'up'`, `'down'`) and `item` (the series again), so the answer is a
 * ranking frame too, and a series frame of the anomalous values.
 *
 * - Nulls, NaN and magnitudes above 1e100 are as if the row was absent; magnitudes below 1e-100 count as 0.
 * - An empty frame has no anomalies; nor has a point with fewer than `minPoints` points in its window, so neither has a single point or what comes
 *   right after a gap as long as the window. Shorter gaps are not filled: the window is a stretch of time, and what is in it counts.
 * - A constant series never departs by less than the floors. Where all floors are 0 (a constant 0, with `minSpread: 0`) any other value has the score
 *   `Infinity`: give `minSpread` in the series' unit when small departures from zero are no news, as for error ratios.
 *
 * Literature: Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (ASQC 1993), the modified z-score, whose customary threshold is 3.5; here on a
 * moving window as in Hampel's filter, looking back only. It knows no season and no trend.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency, { window: '1 hour', threshold: 4 })
 * await topK(scope, odd, 5).execute()
 *
 * // select "anomaly".* from (
 * //   select * from (
 * //     select ..., abs("value" - "expected") / "spread" as "score" from (
 * //       select ..., greatest(1.4826 * "deviation", $5::float8 * abs("expected"), $6::float8) as "spread" from (
 * //         select ..., array_agg("value") over (partition by "series" order by "bucket"
 * //           range between $1::interval preceding and current row exclude group) as "before" from (select ...)
 * //       ) cross join lateral (select percentile_cont(0.5) ...) as "middle" cross join lateral (...) as "around"
 * //       where cardinality("before") >= $4
 * //   )) where "score" > $7 order by "series", "bucket"
 * // ) as "anomaly"
 */
export function anomalies(scope: Scope, frame: SeriesFrame, options: RobustScoreOptions = {}) {
  const settings = parseRobustScoreOptions(options)
  const odd = scope.db
    .selectFrom(robustScores(scope, frame, settings).as('point'))
    .selectAll('point')
    .where('point.score', '>', settings.threshold)
    .orderBy('point.series')
    .orderBy('point.bucket')
  return scope.db.selectFrom(odd.as('anomaly')).selectAll('anomaly')
}
