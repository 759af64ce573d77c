import { sql, type Expression, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { durationText, milliseconds } from '../database/range.ts'
import { exactInterval } from './exactInterval.ts'

/** The length of a bucket or a window, as an option gives it. */
export const lengthText = durationText.pipe(z.string().refine((text) => milliseconds(text) >= 1, 'must be at least a millisecond long'))

/**
 * When the bucket of this length begins that holds a time.
 *
 * Buckets are counted from where TimescaleDB's `time_bucket` counts them: a Monday, so that weeks begin on Mondays.
 *
 * @example
 * bucketStart('1 hour', sql.ref('point.bucket'))
 * // date_bin($1::interval, "point"."bucket", '2000-01-03T00:00:00Z'::timestamptz)
 */
export const bucketStart = (length: string, time: Expression<Date>): RawBuilder<Date> =>
  sql<Date>`date_bin(${exactInterval(length)}, ${time}, '2000-01-03T00:00:00Z'::timestamptz)`
