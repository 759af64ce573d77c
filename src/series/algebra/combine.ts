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
 * What becomes of two values: the left by the right, the left less the right, both together, or one
 * times the other.
 */
export const combinations = ['ratio', 'difference', 'sum', 'product'] as const
export type Combination = (typeof combinations)[number]

export interface CombineOptions extends Pick<JoinOptions, 'on'> {
  op: Combination
  /**
   * What the combined series is called instead. It is for frames of one series each: of several,
   * all would go by this name, and a frame whose series have two rows for a bucket is none.
   */
  series?: string
}

const combineOptions = z.strictObject({
  op: z.enum(combinations),
  on: z.enum(['series', 'bucket']).default('series'),
  series: boundedText(1024).optional(),
})

/**
 * Two series frames made into one, value by value, in the order of series and time: errors by
 * calls, this week less last week.
 *
 * Rows: `series`, `bucket`, `value`, for the buckets that both frames have ({@link gapfill} adds
 * missing ones, as zero or what they stand for). Which points belong together, and how the series
 * are called, `on` says as it does for {@link join}.
 *
 * | left, right | value |
 * |---|---|
 * | null on either side | null |
 * | a ratio to zero | null: it is no number |
 * | NaN, infinities | as arithmetic has them |
 * | magnitudes below 1e-100, above 1e100 | count as 0, as infinite |
 *
 * Averages and percentiles do not add up, and the ratio of two averages is not the average of the
 * ratios: combine counts and sums, and divide last.
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
