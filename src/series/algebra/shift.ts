import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parseOptions } from '../../schema/parse.ts'
import { lengthText } from '../bucketLength.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'
import { oneOf } from './trailingWindow.ts'

/** The direction in time in which the points move, and how far. */
export type ShiftOptions = { later: string; earlier?: undefined } | { earlier: string; later?: undefined }

const shiftOptions = z
  .strictObject({ later: lengthText.optional(), earlier: lengthText.optional() })
  .refine(oneOf('later', 'earlier'), 'must have either later or earlier')

/**
 * Moves the series of a frame in time: `{ later: '7 days' }` puts last week's values at this week's
 * buckets. Ordered by series, then time.
 *
 * Rows: the rows of the frame, with `bucket` moved by that duration. The frame must cover the time
 * that the values come from: to compare this week with last week, shift a frame of last week. A day
 * has 24 hours in every time zone: seven days keep a bucket's place in the week in UTC.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const now = last('6 hours')
 * const aWeekAgo = { from: new Date(now.from.getTime() - 604_800_000), to: new Date(now.to.getTime() - 604_800_000) }
 * const [today, before] = [now, aWeekAgo].map((range) => callSeries(scope, { to: checkout, measure: 'rps', range }))
 * await combine(scope, today, shift(scope, before, { later: '7 days' }), { op: 'ratio' }).execute()
 *
 * // select "shifted".* from (
 * //   select "point"."series", point.bucket + $1::interval as "bucket", point.value::float8 as
 * //     "value"
 * //   from (...) as "point" order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "shifted"
 */
export function shift(scope: Scope, frame: SeriesFrame, options: ShiftOptions): Finished<SeriesRow, 'shifted'> {
  const { later, earlier } = parseOptions(shiftOptions, options)
  const bucket =
    later === undefined ? sql<Date>`point.bucket - ${exactInterval(earlier!)}` : sql<Date>`point.bucket + ${exactInterval(later)}`
  const shifted = scope.db
    .selectFrom(frame.as('point'))
    .select(['point.series', bucket.as('bucket'), sql<number | null>`point.value::float8`.as('value')])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, shifted, 'shifted')
}
