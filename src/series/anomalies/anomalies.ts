import { sql } from 'kysely'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { Anomaly } from './anomaly.ts'
import { detectionOptions, type DetectionOptions } from './detection.ts'
import { scoredPoints } from './scoredPoints.ts'
import { surprisingPoints } from './surprisingPoints.ts'

/**
 * The points of a series frame whose score is above the `threshold`: values that the earlier points
 * do not explain. Ordered by series, then time. `'surprise'` gives only the first of several.
 *
 * | `method` | a point is compared with | score | finds |
 * |---|---|---|---|
 * | `'robust-z'` (default) | its series in the `window` before it | `abs(value - expected) / spread` | what differs from the last hour |
 * | `'seasonal'` | the same `slot` in earlier seasons, as far back as `history` | the same | what differs from other Mondays at 9 |
 * | `'ewma'` | as `'robust-z'` | how far the exponentially weighted mean of the z-scores is from 0 | small departures that last |
 * | `'surprise'` | what its series looked like in the `historyPoints` before it | mean number of zeros in "once in 10, 100, 1,000 ... points" | where something begins that was seldom so |
 *
 * `expected` is a median. `spread` is 1.4826 times the median absolute deviation, but at least
 * `floor` times `|expected|` and at least `minSpread` (not for `'surprise'`).
 * {@link DetectionOptions} describes each method.
 *
 * - **No row does not mean that all is well.** A point with fewer than `minPoints` points to
 *   compare with is not judged, for example right after a gap as long as the window. A frame of
 *   hourly buckets has one point in a window of an hour: use a longer `window`, and a range that
 *   begins one window before the time you want to judge.
 * - Only earlier points are used: an answer for a bucket does not change later.
 * - Nulls, NaN and magnitudes above 1e100 are ignored, see {@link SeriesRow}. Gaps are not filled:
 *   a window is a stretch of time, and the points in it count.
 * - If the spread is 0 (a constant 0 with `minSpread: 0`), any other value has the score
 *   `Infinity`. Where small departures from zero do not matter, as for error ratios, set
 *   `minSpread` in the series' unit.
 *
 * Cost: `'robust-z'` and `'ewma'` take one pass with one sorted window that moves: about 5 us a
 * point with 60 points in the window. One series at a time is held in memory, about 100 bytes a
 * point. `'seasonal'` sorts the slot's history once for each slot of each season. `'surprise'`
 * takes about 65 us a point.
 *
 * @throws InvalidInputError naming the option that is out of its range or not an option of the
 * method.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency, { window: '1 hour', threshold: 4 })
 * await topK(scope, odd, 5).execute()
 *
 * // select "anomaly".* from (
 * //   select ..., case ... else abs(point.value - point.expected) / point.spread end as "score", ...
 * //   from (
 * //     select "history"."series", "point"."bucket", "point"."value", "point"."expected", ...
 * //     from (
 * //       select ..., pg_catalog.array_agg(point.value order by point.bucket) as "values",
 * //         pg_catalog.array_agg(point.bucket - ($4::interval) order by point.bucket) as "starts"
 * //       from (...) as "point" group by point.series collate "C"
 * //     ) as "history"
 * //     cross join lateral "public"."moving_medians"(history.buckets, history.values,
 * //       history.starts, $5::int4) as "point"
 * //   ) as "point"
 * //   where "point"."score" > $6 order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "anomaly"
 * @example
 * const unlikeOtherWeeks = anomalies(scope, latency, { method: 'seasonal', history: '4 weeks' })
 * const creeping = anomalies(scope, latency, { method: 'ewma', lambda: 0.1 })
 */
export function anomalies(scope: Scope, frame: SeriesFrame, options: DetectionOptions = {}): Finished<Anomaly, 'anomaly'> {
  const settings = parseOptions(detectionOptions, options)
  const odd = settings.method === 'surprise' ? surprisingPoints(scope, frame, settings) : scoredPoints(scope, frame, settings)
  const inOrder = scope.db
    .selectFrom(odd.as('point'))
    .selectAll('point')
    .where('point.score', '>', settings.threshold)
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, inOrder, 'anomaly')
}
