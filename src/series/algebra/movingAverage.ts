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
 * The moving average of each series. Ordered by series, then time.
 *
 * Rows: the rows of the frame; `value` is the mean of the values in the {@link TrailingWindow}. At
 * the beginning of a series the window holds fewer points.
 *
 * | in the window | `value` |
 * |---|---|
 * | nulls | are ignored; null if nothing else is there |
 * | NaN | NaN |
 * | infinities | infinite; NaN if both signs are there |
 * | very small or large values | see {@link SeriesRow} |
 *
 * Sums are kept as exact decimals: a value that left the window leaves no rounding error behind,
 * and a window of a week costs the same as one of an hour.
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
      // PostgreSQL can subtract a numeric that leaves a window; with float8 it adds up the whole
      // window for every row. Cast through text, a float8 keeps all its digits; cast directly it
      // keeps 15.
      sql<number | null>`(avg(point.value::text::numeric) ${trailing(window)})::float8`.as('value'),
    ])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, averages, 'smoothed')
}
