import { finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parseDetection, type DetectionOptions } from './detection.ts'
import { scoredPoints } from './scoredPoints.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

/**
 * The points of a series frame that the points before them do not let expect, in the order of series and time.
 *
 * Nothing later than a point is looked at to judge it, so what is found does not change when time goes on. `expected` is a median of earlier points,
 * `spread` 1.4826 times their median absolute deviation (which is the standard deviation, were they normally distributed), but at least `floor` times
 * `|expected|` and at least `minSpread`; `score` says how far off the point is, `direction` on which side; rows with `score > threshold` are given.
 *
 * | `method` | compared with | score | finds |
 * |---|---|---|---|
 * | `'robust-z'` (default) | its series in the `window` before it | `abs(value - expected) / spread` | what is unlike the last hour |
 * | `'seasonal'` | its `slot` of the season in earlier seasons, as far back as `history` | the same | what is unlike other Mondays at 9 |
 * | `'ewma'` | as `'robust-z'` | how far the fading mean of the z-scores is from 0 | small departures that last |
 *
 * - **robust-z**: median and deviation stay put until half of the window is anomalous; after that a level that lasts is the new normal. It knows no
 *   season and no trend.
 * - **seasonal**: slots are counted from Monday 2000-01-03 00:00 UTC (they do not follow a time zone's summer time). The occurrences that begin in
 *   `[slot start - history, slot start)` count, the point's own occurrence never: what climbs slowly within an hour cannot hide itself. With the
 *   defaults that are five weeks of one hour. One earlier occurrence is enough when it holds `minPoints` points (an hour of five-minute buckets holds
 *   twelve), but then only last week is known: `minPoints: 24` asks for two of them.
 * - **ewma**: `z = lambda * residual + (1 - lambda) * z`, from 0 at the first point that can be judged; the residual is the signed robust z-score, at
 *   most `clip`. The score is `|z|` in units of its own standard deviation, `sqrt(lambda / (2 - lambda) * (1 - (1 - lambda) ^ (2 n)))` at the n-th judged
 *   point, which takes residuals for independent: where a series wanders slowly, raise the threshold. `expected` and `spread` are those of robust-z, so
 *   the row's value can be within them: it is the run that is odd. Once the window holds the new level, the residuals return to 0, and so does `z`.
 *
 * Rows: `series`, `bucket`, `value`, `expected`, `spread`, `score`, `direction` (`'up'`, `'down'`) and `item` (the series again), so the answer is a
 * ranking frame too, and a series frame of the anomalous values.
 *
 * - Nulls, NaN and magnitudes above 1e100 are as if the row was absent; magnitudes below 1e-100 count as 0.
 * - An empty frame has no anomalies; nor has a point with fewer than `minPoints` points to be compared with, so neither has a single point or, but for
 *   `'seasonal'`, what comes right after a gap as long as the window. Gaps are not filled: a window is a stretch of time, and what is in it counts.
 * - **No row is no all-clear where nothing could be judged.** A frame of hourly buckets (`callSeries` over more than 35 days, `metricSeries` over more than
 *   a week) has one point in a window of an hour: give a `window` that holds at least `minPoints` buckets, and a range that begins a window earlier than
 *   what is to be judged.
 * - A constant series never departs by less than the floors. Where all floors are 0 (a constant 0, with `minSpread: 0`) any other value has the score
 *   `Infinity`: give `minSpread` in the series' unit when small departures from zero are no news, as for error ratios.
 *
 * Cost: for each point the points of its window (robust-z, ewma) are sorted; seasonal sorts, for each slot of each season, the slot's history.
 *
 * Literature: Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (ASQC 1993), the modified z-score, whose customary threshold is 3.5; here on a
 * moving window as in Hampel's filter, looking back only. Roberts, "Control Chart Tests Based on Geometric Moving Averages" (Technometrics 1959); Lucas
 * and Saccucci, "Exponentially Weighted Moving Average Control Schemes" (Technometrics 1990), who recommend a lambda of 0.05 to 0.25 with limits of
 * about 3.
 *
 * @throws InvalidInputError naming the option that is out of its range, or that the method does not have.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency, { window: '1 hour', threshold: 4 })
 * await topK(scope, odd, 5).execute()
 *
 * // select "anomaly".* from (
 * //   select * from (
 * //     select ..., abs("value" - "expected") / "spread" as "score" from (
 * //       select ..., greatest(1.4826::float8 * "deviation", abs("expected") * $5::float8 / $6::float8, $7::float8) as "spread" from (
 * //         select ..., pg_catalog.array_agg("value") over (partition by "series" order by "bucket"
 * //           range between $1::interval preceding and current row exclude group) as "before" from (select ...)
 * //       ) cross join lateral (select pg_catalog.percentile_cont(0.5::float8) ...) as "middle" cross join lateral (...) as "around"
 * //       where pg_catalog.cardinality("before") >= $4
 * //   )) where "score" > $8 order by "series", "bucket"
 * // ) as "anomaly"
 * @example
 * const unlikeOtherWeeks = anomalies(scope, latency, { method: 'seasonal', history: '4 weeks' })
 * const creeping = anomalies(scope, latency, { method: 'ewma', lambda: 0.1 })
 */
export function anomalies(scope: Scope, frame: SeriesFrame, options: DetectionOptions = {}) {
  const settings = parseDetection(options)
  const odd = scope.db
    .selectFrom(scoredPoints(scope, frame, settings).as('point'))
    .selectAll('point')
    .where('point.score', '>', settings.threshold)
    .orderBy('point.series')
    .orderBy('point.bucket')
  return finished(scope, odd, 'anomaly')
}
