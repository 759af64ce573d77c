import { sql } from 'kysely'
import { z } from 'zod'
import { bucketsBeginningIn } from '../database/buckets.ts'
import { finished, type Finished } from '../database/finished.ts'
import { earlier, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { distinctCountOf } from './distinctEstimate.ts'
import { sketchLadder } from './sketchPolicy.ts'
import { dimensionName, sketchRows } from './sketchRows.ts'

export interface ActiveUsersOptions {
  /** The dimension whose values are counted. Default: `'user'`. */
  dimension?: string
  /** The URN of the reporting resource; every resource if it is not given. */
  resource?: string
  /** The days, in UTC, that begin in it. */
  range: TimeRange
}

/** How many users were active up to the end of one day. */
export interface ActiveUsers {
  /** The beginning of the day, in UTC. */
  bucket: Date
  /** Users of the day. */
  daily: number
  /** Users of the seven days that end with it. */
  weekly: number
  /** Users of the thirty days that end with it. */
  monthly: number
  /**
   * `daily` divided by `monthly`, 0..1: the share of a month's days on which a user is active; null
   * without users.
   */
  stickiness: number | null
}

const activeUsersOptions = z.strictObject({ dimension: dimensionName.default('user'), resource: urnText.optional(), range: timeRange })

/**
 * How many users were active each day, week and month: DAU, WAU, MAU and stickiness.
 *
 * | | |
 * |---|---|
 * | a row | each day of the range that has users; ordered by time |
 * | weeks, months | the 7 and 30 days that end with the day. Before the first sketch nothing is known, so the numbers of the first month grow |
 * | error | exact up to 160 users, then a standard error of at most 2.3 % |
 * | read from | `sketch_1d` |
 *
 * @throws InvalidInputError if the dimension, the URN or the range is invalid; names the field.
 * @example
 * const users = activeUsers(scope, { range: last('30 days') })
 *
 * // select "day".* from (
 * //   with day as (select sketch.bucket, "public"."hyperloglog_merge"(sketch.distinct_sketch) as sketch from
 * //     "public"."sketch_1d" ... group by sketch.bucket), active as (
 * //     select day.bucket, "public"."hyperloglog_merge"(case when other.bucket > day.bucket - '1
 * //       day'::interval then other.sketch end) as daily, ... from day join day as other on ... group by day.bucket)
 * //   select bucket, coalesce("public"."hyperloglog_ertl"(active.daily), 0) as daily, ...
 * // ) as "day"
 */
export function activeUsers(scope: Scope, options: ActiveUsersOptions): Finished<ActiveUsers, 'day'> {
  const { range, ...filter } = parseOptions(activeUsersOptions, options)
  const days = bucketsBeginningIn('1 day', range)
  const reading = readingOf(scope, sketchLadder, { from: earlier(days.from, '29 days'), to: days.to }, '1 day')
  const daily = sketchRows(scope, { ...filter, range: reading.range }, rowsOf(scope, sketchLadder, reading))
    .groupBy('sketch.bucket')
    .select(['sketch.bucket', hllUnion(scope, sql.ref('sketch.distinct_sketch')).as('sketch')])
  const within = (interval: string) =>
    hllUnion(scope, sql`case when other.bucket > day.bucket - ${sql.lit(interval)}::interval then other.sketch end`)
  const count = (column: string) => distinctCountOf(scope, sql.ref(`active.${column}`))
  const rows = sql<ActiveUsers>`(
    with
      day as materialized ${daily},
      active as (
        select
          day.bucket,
          ${within('1 day')} as daily,
          ${within('7 days')} as weekly,
          ${within('30 days')} as monthly
        from day
        join day as other on other.bucket > day.bucket - '30 days'::interval and other.bucket <= day.bucket
        where day.bucket >= ${days.from}
        group by day.bucket
      ),
      counted as (
        select active.bucket, ${count('daily')} as daily, ${count('weekly')} as weekly, ${count('monthly')} as monthly from active
      )
    select counted.*, daily / nullif(monthly, 0::float8) as stickiness
    from counted
    order by bucket
  )`
  return finished(scope, rows, 'day')
}
