import { sql, type RawBuilder } from 'kysely'
import { milliseconds } from '../range.ts'

/**
 * A duration as an interval without days. A day is 24 hours here. PostgreSQL's `'1 day'` before a
 * `timestamptz` is the same time of the previous day in the session's time zone, which is 23 or 25
 * hours twice a year.
 *
 * @example
 * exactInterval('1 day')
 * // $1::interval, with the parameter '86400000 milliseconds'
 */
export const exactInterval = (duration: string): RawBuilder<unknown> => sql`${inMilliseconds(duration)}::interval`

/**
 * The same interval as a literal in the SQL.
 *
 * @example
 * exactIntervalLiteral('1 day')
 * // '86400000 milliseconds'::interval
 */
export const exactIntervalLiteral = (duration: string): RawBuilder<unknown> => sql`${sql.lit(inMilliseconds(duration))}::interval`

const inMilliseconds = (duration: string): string => `${milliseconds(duration)} milliseconds`
