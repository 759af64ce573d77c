import { sql, type RawBuilder } from 'kysely'
import { milliseconds } from '../range.ts'

/**
 * A duration as an interval without days. A day is 24 hours here; PostgreSQL's `'1 day'` before a
 * `timestamptz` is the same time of the day before in the session's time zone, 23 or 25 hours twice
 * a year.
 *
 * @example
 * exactInterval('1 day')
 * // $1::interval, with the parameter '86400000 milliseconds'
 */
export const exactInterval = (duration: string): RawBuilder<unknown> => sql`${inMilliseconds(duration)}::interval`

/**
 * The same interval written into the SQL.
 *
 * @example
 * exactIntervalLiteral('1 day')
 * // '86400000 milliseconds'::interval
 */
export const exactIntervalLiteral = (duration: string): RawBuilder<unknown> => sql`${sql.lit(inMilliseconds(duration))}::interval`

const inMilliseconds = (duration: string): string => `${milliseconds(duration)} milliseconds`
