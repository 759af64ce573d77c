import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { periodsBeginningIn, type Period } from '../database/periods.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { hllOverlap } from '../sketch/hll/hllOverlap.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { isNoise, sketchOrEmpty } from './distinctEstimate.ts'
import { sketchLadder } from './sketchPolicy.ts'
import { dimensionName, sketchRows } from './sketchRows.ts'

export interface RetentionOptions {
  /** The dimension whose values are counted. Default: `'user'`. */
  dimension?: string
  /** The URN of the reporting resource; every resource if it is not given. */
  resource?: string
  /** The periods that begin in it are the cohorts: at most 60. */
  range: TimeRange
  /** The length of a period: from midnight UTC, a week from Monday. Default: `'week'`. */
  by?: 'day' | 'week' | 'month'
  /** The most periods to look ahead of a cohort: 1 to 60. Default: 12. */
  maxPeriods?: number
}

/** How many users of one period were seen again in a later one. */
export interface Retention {
  /** The beginning of the cohort's period. */
  cohort: Date
  /** The number of periods later; 0 is the cohort's own period, in which all are seen. */
  period: number
  /** The number of users in the cohort's period. */
  cohort_size: number
  /** How many of them were seen again. */
  retained: number
  /** `retained` divided by `cohort_size`, 0..1. */
  ratio: number
  /** The standard error of `ratio`; 0 if it is exact. */
  standard_error: number
  /** Whether the standard error is more than half of the ratio: it then says little. */
  noise: boolean
}

const mostPeriods = 60

const retentionOptions = z.strictObject({
  dimension: dimensionName.default('user'),
  resource: urnText.optional(),
  range: timeRange,
  by: z.enum(['day', 'week', 'month']).default('week') satisfies z.ZodType<Period>,
  maxPeriods: z.int().min(1).max(mostPeriods).default(12),
})

/**
 * How many users come back: of those seen in a day, week or month, how many are seen again one,
 * two, three periods later. A cohort table with one row for each cell.
 *
 * **A cohort is everybody seen in a period, not only those seen for the first time.** Sketches hold
 * no values, so they cannot say who is new, and the difference of two large estimates would be
 * noise. A user who comes every week is therefore in every cohort, and ratios are higher than those
 * of new users.
 *
 * | | |
 * |---|---|
 * | rows | each period of the range with values, with itself and up to `maxPeriods` later periods of the range; ordered by cohort and period |
 * | no values in a later period | `retained` is 0 |
 * | a period that is not over | counts what came so far, so its ratios still grow |
 * | error | exact for up to 160 values in both periods, otherwise as in `overlap`: if the two share a small part, the ratio is `noise` |
 * | read from | `sketch_1d`: values that arrive after their day was rolled up appear once `maintain` has rolled it up again |
 * | time | 1.5 to 4 ms for each cell, plus reading the days. A table of 12 by 12, with 66 cells besides those of the cohorts themselves, takes .1 to .3 s; the largest, 60 by 60, takes 3 to 7 s |
 *
 * @throws InvalidInputError if an option is invalid, or if more than 60 periods begin in the range;
 * names the field.
 * @example
 * const weeks = retention(scope, { range: last('84 days'), by: 'week' })
 * await weeks.where('noise', '=', false).execute()
 * // [{ cohort: 2026-09-07, period: 0, cohort_size: 8_120.4, retained: 8_120.4, ratio: 1, standard_error: 0, noise: false },
 * //  { cohort: 2026-09-07, period: 1, cohort_size: 8_120.4, retained: 5_212.0, ratio: 0.642, standard_error: 0.014, noise: false }, ...]
 *
 * // select "cell".* from (
 * //   with period as (select ... from unnest($1::timestamptz[], $2::timestamptz[]) with ordinality ...),
 * //     seen as materialized (select period.number, "public"."hyperloglog_merge"(sketch.distinct_sketch) as
 * //       sketch from period join "public"."sketch_1d" as sketch ... group by period.number)
 * //   select ... from seen as cohort join period as later on ... left join seen as again on ...
 * //   cross join lateral "public"."hyperloglog_overlap"(cohort.sketch, again.sketch) as overlap order by ...
 * // ) as "cell" where "noise" = false
 */
export function retention(scope: Scope, options: RetentionOptions): Finished<Retention, 'cell'> {
  const { range, by, maxPeriods, ...filter } = parseOptions(retentionOptions, options)
  const periods = periodsBeginningIn(by, range, mostPeriods)
  if (periods.length > mostPeriods) throw new InvalidInputError('range', `must contain the beginnings of at most ${mostPeriods} ${by}s`)
  const all = { from: periods[0]?.from ?? range.from, to: periods.at(-1)?.to ?? range.from }
  const reading = readingOf(scope, sketchLadder, all, '1 day')
  const days = sketchRows(scope, { ...filter, range: reading.range }, rowsOf(scope, sketchLadder, reading)).select([
    'sketch.bucket',
    'sketch.distinct_sketch',
  ])
  const times = (end: 'from' | 'to') => sql`${periods.map((period) => period[end].toISOString())}::timestamptz[]`
  const again = sql<Uint8Array | null>`case when later.number > cohort.number then again.sketch end`
  const rows = sql<Retention>`(
    with
      period as (
        select begins.period_begin, ends.period_end, begins.number::int4 as number
        from pg_catalog.unnest(${times('from')}) with ordinality as begins (period_begin, number)
        join pg_catalog.unnest(${times('to')}) with ordinality as ends (period_end, number) on ends.number = begins.number
      ),
      seen as materialized (
        select period.number, ${hllUnion(scope, sql.ref('day.distinct_sketch'))} as sketch
        from period
        join ${days} as day on day.bucket >= period.period_begin and day.bucket < period.period_end
        group by period.number
      ),
      cell as (
        select
          began.period_begin as cohort,
          later.number - cohort.number as period,
          pair.a_count as cohort_size,
          case when later.number = cohort.number then pair.a_count else pair.intersection_count end as retained,
          case when later.number = cohort.number then 1::float8 else pair.a_share end as ratio,
          case when later.number = cohort.number then 0::float8 else pair.a_share_standard_error end as standard_error
        from seen as cohort
        join period as began on began.number = cohort.number
        join period as later on later.number >= cohort.number and later.number <= cohort.number + ${maxPeriods}::int4
        left join seen as again on again.number = later.number
        cross join lateral ${hllOverlap(scope, sql`cohort.sketch`, sketchOrEmpty(again))} as pair
      )
    select cell.*, ${isNoise(sql`cell.ratio`, sql`cell.standard_error`)} as noise
    from cell
    order by cohort, period
  )`
  return finished(scope, rows, 'cell')
}
