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
  /** Whose values are counted. Default: `'user'`. */
  dimension?: string
  /** The URN of who reported; every resource when left out. */
  resource?: string
  /** The periods that begin in it are the cohorts: at most 60. */
  range: TimeRange
  /** How long a period is: from midnight UTC, a week from Monday. Default: `'week'`. */
  by?: 'day' | 'week' | 'month'
  /** How many periods later a cohort is looked for at most: 1 to 60. Default: 12. */
  maxPeriods?: number
}

/** How many of those seen in one period were seen again in a later one. */
export interface Retention {
  /** When the period begins in which the cohort was seen. */
  cohort: Date
  /** How many periods later: 0 is that period itself, where all are seen. */
  period: number
  /** How many were seen in the cohort's period. */
  cohort_size: number
  /** How many of them were seen again. */
  retained: number
  /** `retained` by `cohort_size`, 0..1. */
  ratio: number
  /** Of `ratio`; 0 where it is exact. */
  standard_error: number
  /** Whether the standard error is more than half of the ratio: it says little then. */
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
 * two, three later. A cohort table, a row for each of its cells.
 *
 * **A cohort is everybody seen in a period, not those seen in it for the first time.** Sketches
 * cannot say who is new: they hold no values, and the difference of two estimates of everybody
 * before would be noise. So a user who comes every week is in every cohort, and ratios are higher
 * than those of new users.
 *
 * | | |
 * |---|---|
 * | rows | each period of the range in which values came, with itself and up to `maxPeriods` later ones of the range; in the order of cohort and period |
 * | nobody came in a later period | `retained` is 0 |
 * | a period that is not over | counts what came so far, so its ratios still grow |
 * | error | up to 160 values in both periods exact, else as `overlap`: where the two share a small part, the ratio is `noise` |
 * | read from | `sketch_1d`: what came after its day was rolled shows once `maintain` has rolled it again |
 * | time | 1.5 to 4 ms a cell: a table of 12 by 12, which has 66 cells beside those of the cohorts themselves, takes .1 to .3 s beside what reading the days takes; the largest, 60 by 60, 3 to 7 s |
 *
 * @throws InvalidInputError if an option is invalid, or more than 60 periods begin in the range;
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
  if (periods.length > mostPeriods) throw new InvalidInputError('range', `must hold the beginning of at most ${mostPeriods} ${by}s`)
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
