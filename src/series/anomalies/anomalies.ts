import { sql } from 'kysely'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { Anomaly } from './anomaly.ts'
import { detectionOptions, type DetectionOptions } from './detection.ts'
import { scoredPoints } from './scoredPoints.ts'

/**
 * The points of a series frame that the points before them do not let expect, in the order of
 * series and time: those whose score is above the `threshold`.
 *
 * | `method` | compared with | score | finds |
 * |---|---|---|---|
 * | `'robust-z'` (default) | its series in the `window` before it | `abs(value - expected) / spread` | what is unlike the last hour |
 * | `'seasonal'` | its `slot` of the season in earlier seasons, as far back as `history` | the same | what is unlike other Mondays at 9 |
 * | `'ewma'` | as `'robust-z'` | how far the fading mean of the z-scores is from 0 | small departures that last |
 *
 * `expected` is a median; `spread` is 1.4826 times the median absolute deviation, but at least
 * `floor` times `|expected|` and at least `minSpread`. {@link DetectionOptions} says how each
 * method works.
 *
 * - Nothing later than a point is looked at: what is found does not change when time goes on.
 * - **No row is no all-clear where nothing could be judged**: a point with fewer than `minPoints`
 *   points to be compared with, as right after a gap as long as the window. A frame of hourly
 *   buckets has one point in a window of an hour: give a longer `window`, and a range that begins a
 *   window earlier than what is to be judged.
 * - Nulls, NaN and magnitudes above 1e100 are as if the row was absent; magnitudes below 1e-100
 *   count as 0. Gaps are not filled: a window is a stretch of time, and what is in it counts.
 * - Where all floors are 0 (a constant 0, with `minSpread: 0`) any other value has the score
 *   `Infinity`: give `minSpread` in the series' unit when small departures from zero are no news,
 *   as for error ratios.
 *
 * Cost: for each point the points of its window are sorted; `'seasonal'` sorts, for each slot of
 * each season, the slot's history.
 *
 * @throws InvalidInputError naming the option that is out of its range, or that the method does not
 * have.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency, { window: '1 hour', threshold: 4 })
 * await topK(scope, odd, 5).execute()
 *
 * // select "anomaly".* from (
 * //   select "point".* from (
 * //     select ..., case ... else abs(point.value - point.expected) / point.spread end as "score",
 * //       ... from (
 * //       select ..., greatest(1.4826::float8 * around.deviation, abs(middle.expected) *
 * //         $1::float8 / $2::float8, $3::float8) as "spread" from (
 * //         select "point".*, pg_catalog.array_agg(point.value) over (partition by point.series
 * //           order by point.bucket
 * //           range between $4::interval preceding and current row exclude group) as "before" from
 * //             (...) as "point"
 * //       ) as "point" cross join lateral (...) as "middle" cross join lateral (...) as "around"
 * //       where pg_catalog.cardinality(point.before) >= $5::int4
 * //     ) as "point"
 * //   ) as "point" where "point"."score" > $6 order by ("point"."series") collate "C",
 * //     "point"."bucket"
 * // ) as "anomaly"
 * @example
 * const unlikeOtherWeeks = anomalies(scope, latency, { method: 'seasonal', history: '4 weeks' })
 * const creeping = anomalies(scope, latency, { method: 'ewma', lambda: 0.1 })
 */
export function anomalies(scope: Scope, frame: SeriesFrame, options: DetectionOptions = {}): Finished<Anomaly, 'anomaly'> {
  const settings = parseOptions(detectionOptions, options)
  const odd = scope.db
    .selectFrom(scoredPoints(scope, frame, settings).as('point'))
    .selectAll('point')
    .where('point.score', '>', settings.threshold)
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, odd, 'anomaly')
}
