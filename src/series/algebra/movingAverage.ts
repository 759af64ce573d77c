import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'
import { oneOf, trailing, trailingWindow, type TrailingWindow } from './trailingWindow.ts'

const movingAverageOptions = z.strictObject(trailingWindow).refine(oneOf('points', 'window'), 'must have either points or window')

/**
 * Each point's average with the points before it, in the order of series and time.
 *
 * Rows: those of the frame, `value` being the mean of the values in the trailing window, the point
 * itself included: the last `points` points of the series, or those within `window`,
 * `(bucket - window, bucket]`. At the beginning of a series the window holds what there is. A gap
 * is not filled: with `points` the window reaches across it, with `window` it does not.
 *
 * Nulls do not count: the value at a null is the mean of the others, and null where there are none.
 * NaN in the window makes the mean NaN, infinities make it infinite, both signs of them NaN.
 * Magnitudes below 1e-100 count as 0, above 1e100 as infinite.
 *
 * Values are added and taken away again as exact decimals: what left the window leaves no rounding
 * behind, and a week's window costs what an hour's does.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'rps', range: last('6 hours') })
 * await movingAverage(scope, latency, { window: '1 hour' }).execute()
 *
 * // select "smoothed".* from (
 * //   select "point"."series", "point"."bucket", (avg(point.value::text::numeric) over (partition
 * //     by point.series collate "C"
 * //     order by point.bucket range between $1::interval - interval '1 microsecond' preceding and
 * //       current row))::float8 as "value"
 * //   from (...) as "point" order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "smoothed"
 */
export function movingAverage(scope: Scope, frame: SeriesFrame, options: TrailingWindow): Finished<SeriesRow, 'smoothed'> {
  const window = parseOptions(movingAverageOptions, options)
  const averages = scope.db
    .selectFrom(boundedPoints(scope, frame).as('point'))
    .select([
      'point.series',
      'point.bucket',
      // Of a numeric PostgreSQL can take away what leaves a window; of a float8 it cannot and adds up
      // anew for every row. As text a float8 keeps all its digits, cast directly it keeps 15.
      sql<number | null>`(avg(point.value::text::numeric) ${trailing(window)})::float8`.as('value'),
    ])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, averages, 'smoothed')
}
