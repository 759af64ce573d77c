import { sql, type Expression, type RawBuilder } from 'kysely'
import { milliseconds, type TimeRange } from './range.ts'
import { exactInterval, exactIntervalLiteral } from './sql/exactInterval.ts'

/** The length of a bucket of `metric_1m`. */
export const minuteBucket = '1 minute'

/**
 * The length of a bucket of `service_call_5m` and `log_pattern_5m`, and of a window of ingestion.
 */
export const windowBucket = '5 minutes'

/**
 * The start of one bucket of every length; all other buckets are whole lengths before or after it.
 *
 * TimescaleDB's `time_bucket` counts from here too. It is a Monday, so weeks begin on Mondays;
 * hours begin on the hour and days at midnight UTC.
 */
const origin = new Date('2000-01-03T00:00:00Z')

const originLiteral = sql`'2000-01-03T00:00:00Z'::timestamptz`

/** JavaScript's last date. */
const lastMoment = 8.64e15

/** How far a time is after the start of its bucket; both in milliseconds. */
export function sinceBucketStart(length: number, time: number): number {
  const rest = (time - origin.getTime()) % length
  return rest < 0 ? rest + length : rest
}

/** The start of the bucket that contains a time. In SQL it is `dateBin`. */
export const bucketStart = (length: string, moment: Date): Date =>
  new Date(moment.getTime() - sinceBucketStart(milliseconds(length), moment.getTime()))

/** The start of the first bucket that does not begin before a time. */
export function firstBucketFrom(length: string, moment: Date): Date {
  const start = bucketStart(length, moment).getTime()
  return start === moment.getTime() ? moment : new Date(Math.min(start + milliseconds(length), lastMoment))
}

/** The buckets that begin in a range: from the start of the first to the end of the last. */
export const bucketsBeginningIn = (length: string, { from, to }: TimeRange): TimeRange => ({
  from: firstBucketFrom(length, from),
  to: firstBucketFrom(length, to),
})

/**
 * The buckets that overlap a range: from the start of the first to the end of the last. An empty
 * range overlaps none.
 */
export function bucketsOver(length: string, { from, to }: TimeRange): TimeRange {
  const first = bucketStart(length, from)
  return { from: first, to: from < to ? firstBucketFrom(length, to) : first }
}

/**
 * The start of the bucket that contains a time, in SQL. In TypeScript it is `bucketStart`.
 *
 * @example
 * dateBin('1 hour', sql.ref('point.bucket'))
 * // date_bin($1::interval, "point"."bucket", '2000-01-03T00:00:00Z'::timestamptz)
 */
export const dateBin = (length: string, time: Expression<Date>): RawBuilder<Date> =>
  sql<Date>`date_bin(${exactInterval(length)}, ${time}, ${originLiteral})`

/**
 * `dateBin` for `group by`, with the length in the SQL itself: PostgreSQL matches an expression of
 * `group by` with the select list only if it contains no parameter.
 *
 * @example
 * dateBinLiteral('15 minutes', sql.ref('metric.bucket'))
 * // date_bin('900000 milliseconds'::interval, "metric"."bucket",
 * //   '2000-01-03T00:00:00Z'::timestamptz)
 */
export const dateBinLiteral = (length: string, time: Expression<Date>): RawBuilder<Date> =>
  sql<Date>`date_bin(${exactIntervalLiteral(length)}, ${time}, ${originLiteral})`

/**
 * A season and the length of its slots, which divides the season, so no slot lies in two seasons.
 */
export interface SeasonGrid {
  readonly season: string
  readonly slot: string
}

/**
 * The slot of its season that a time is in, from 0, in SQL. Slots and seasons are buckets: for a
 * week in hours, slot 0 is Monday from 0:00 to 1:00 UTC.
 */
export function slotNumber({ season, slot }: SeasonGrid, time: Expression<Date>): RawBuilder<number> {
  const start = dateBin(slot, time)
  return sql<number>`round(extract(epoch from ${start} - ${dateBin(season, start)})::float8 / ${milliseconds(slot) / 1_000}::float8)::int4`
}
