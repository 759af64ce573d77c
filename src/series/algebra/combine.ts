import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { boundedPoints } from '../points.ts'
import { join, type JoinOptions } from './join.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

/**
 * How two values become one: left divided by right, left minus right, left plus right, or left
 * times right.
 */
export const combinations = ['ratio', 'difference', 'sum', 'product'] as const
export type Combination = (typeof combinations)[number]

export interface CombineOptions extends Pick<JoinOptions, 'on'> {
  op: Combination
  /**
   * A new name for the combined series. Use it only when each frame has one series: several series
   * under one name would have several rows for a bucket, which is not a series frame.
   */
  series?: string
}

const combineOptions = z.strictObject({
  op: z.enum(combinations),
  on: z.enum(['series', 'bucket']).default('series'),
  series: boundedText(1024).optional(),
})

/**
 * Combines two series frames into one, value by value: errors divided by calls, this week minus
 * last week. Ordered by series, then time.
 *
 * Rows: `series`, `bucket` and `value`, for the buckets that both frames have. To add missing
 * buckets, call {@link gapfill} first. `on` decides which points belong together and how the series
 * are named, as in {@link join}.
 *
 * | left, right | value |
 * |---|---|
 * | null on either side | null |
 * | ratio to zero | null |
 * | NaN, infinities | as in floating-point arithmetic |
 * | very small or large | see {@link SeriesRow} |
 *
 * Percentiles and averages do not add up, and a ratio of two averages is not the average of the
 * ratios. Combine counts and sums, and divide last.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * const errors = callSeries(scope, { to: checkout, measure: 'error_count', range })
 * const calls = callSeries(scope, { to: checkout, measure: 'call_count', range })
 * const hourly = (frame: SeriesFrame) => resample(scope, frame, { every: '1 hour', with: 'sum' })
 * await combine(scope, hourly(errors), hourly(calls), { op: 'ratio' }).execute()
 *
 * // select "combined".* from (
 * //   select "joined"."series" as "series", "joined"."bucket", joined.left / nullif(joined.right,
 * //     0::float8) as "value"
 * //   from (...) as "joined" order by ("joined"."series") collate "C", "joined"."bucket"
 * // ) as "combined"
 */
export function combine(scope: Scope, left: SeriesFrame, right: SeriesFrame, options: CombineOptions): Finished<SeriesRow, 'combined'> {
  const { op, on, series } = parseOptions(combineOptions, options)
  const both = join(scope, boundedPoints(scope, left), boundedPoints(scope, right), { on })
  const name = series === undefined ? sql.ref<string>('joined.series') : sql<string>`${series}::text`
  const combined = scope.db
    .selectFrom(both.as('joined'))
    .select([name.as('series'), 'joined.bucket', applied[op].as('value')])
    .orderBy(byBytes(name))
    .orderBy('joined.bucket')
  return finished(scope, combined, 'combined')
}

const applied = {
  ratio: sql<number | null>`joined.left / nullif(joined.right, 0::float8)`,
  difference: sql<number | null>`joined.left - joined.right`,
  sum: sql<number | null>`joined.left + joined.right`,
  product: sql<number | null>`joined.left * joined.right`,
}
