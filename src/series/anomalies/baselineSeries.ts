import { sql } from 'kysely'
import { z } from 'zod'
import { dateBin } from '../../database/buckets.ts'
import { finished, type Finished } from '../../database/finished.ts'
import { timeRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parseOptions } from '../../schema/parse.ts'
import { assertBuckets } from '../bucketLength.ts'
import { dividesSeason, seasonFields, slotProblem, type SeasonOptions } from '../seasonOptions.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { seasonalBaseline } from './seasonalBaseline.ts'

export interface BaselineSeriesOptions extends SeasonOptions {
  /**
   * The answer has the slots that begin in this range. It may lie outside the time that the
   * baseline is learned from, for example next week.
   */
  range: TimeRange
  /** The half width of the band, in spreads. Default: 3. */
  spreads?: number
}

/** What is normal at one time, with a band. All values are in the series' unit. */
export interface BaselinePoint {
  series: string
  /** The beginning of a slot. */
  bucket: Date
  /** The expected value. */
  value: number
  /** `value` minus `spreads` spreads. */
  lower: number
  /** `value` plus `spreads` spreads. */
  upper: number
}

const baselineSeriesOptions = z
  .strictObject({ ...seasonFields, range: timeRange, spreads: z.number().min(0).max(1e100).default(3) })
  .refine(dividesSeason, slotProblem)

/**
 * Lays the {@link seasonalBaseline} of a frame over a time range. The answer is a series frame with
 * a band, to draw behind the series itself. Ordered by series, then time.
 *
 * A slot without any measurement in the frame has no row.
 *
 * @throws InvalidInputError naming the option that is wrong, or if the range has more than
 * 1,000,000 slots.
 * @example
 * const learnt = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('5 weeks') })
 * await baselineSeries(scope, learnt, { range: last('1 day') }).execute()
 *
 * // select "point".* from (
 * //   select "slot"."series", "time"."bucket", "slot"."expected" as "value",
 * //     slot.expected - $1::float8 * slot.spread as "lower", slot.expected + $2::float8 *
 * //       slot.spread as "upper"
 * //   from (<the baseline>) as "slot"
 * //   cross join lateral generate_series(<the slot's first time in the range's season>,
 * //     $10::timestamptz, $11::interval) as time (bucket)
 * //   where "time"."bucket" >= $12 and "time"."bucket" < $13 order by ("slot"."series") collate
 * //     "C", "time"."bucket"
 * // ) as "point"
 */
export function baselineSeries(scope: Scope, frame: SeriesFrame, options: BaselineSeriesOptions): Finished<BaselinePoint, 'point'> {
  const { season, slot, range, spreads } = parseOptions(baselineSeriesOptions, options)
  assertBuckets(range, slot, 'slot')
  const { from, to } = range
  const first = sql`${dateBin(season, sql`${from}::timestamptz`)} + pg_catalog.make_interval(secs => slot.slot_start_s)`
  const laid = scope.db
    .selectFrom(seasonalBaseline(scope, frame, { season, slot }).as('slot'))
    .crossJoinLateral(
      sql<{ bucket: Date }>`generate_series(${first}, ${to}::timestamptz, ${exactInterval(season)})`.as<'time'>(sql`time (bucket)`),
    )
    .select([
      'slot.series',
      'time.bucket',
      'slot.expected as value',
      sql<number>`slot.expected - ${spreads}::float8 * slot.spread`.as('lower'),
      sql<number>`slot.expected + ${spreads}::float8 * slot.spread`.as('upper'),
    ])
    .where('time.bucket', '>=', from)
    .where('time.bucket', '<', to)
    .orderBy(byBytes(sql.ref('slot.series')))
    .orderBy('time.bucket')
  return finished(scope, laid, 'point')
}
