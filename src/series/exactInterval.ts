import { sql, type RawBuilder } from 'kysely'
import { milliseconds } from '../database/range.ts'

/**
 * A duration as an interval without days: a day is 24 hours here, while PostgreSQL's `'1 day'` before a `timestamptz` is the same time of the calendar
 * day before in the session's time zone, 23 or 25 hours twice a year.
 *
 * @example
 * exactInterval('1 day')
 * // $1::interval, with the parameter '86400000 milliseconds'
 */
export const exactInterval = (duration: string): RawBuilder<unknown> => sql`${`${milliseconds(duration)} milliseconds`}::interval`
