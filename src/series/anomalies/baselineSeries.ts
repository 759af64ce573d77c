import { sql } from 'kysely'
import { z } from 'zod'
import { dateBin } from '../../database/buckets.ts'
import { checkedRange, type TimeRange } from '../../database/range.ts'
import { finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parse } from '../../schema/parse.ts'
import { assertBuckets } from '../bucketLength.ts'
import { parseSeason, type SeasonOptions } from './detection.ts'
import { seasonalBaseline } from './seasonalBaseline.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface BaselineSeriesOptions extends SeasonOptions {
  /** What the baseline is laid over; it may lie outside of what it is learnt from, as next week does. Slots that begin in it are given. */
  range: TimeRange
  /** How many spreads the band reaches to either side. Default: 3. */
  width?: number
}

/**
 * The {@link seasonalBaseline} of a frame laid over a range of time: a series frame with a band, to draw behind the series itself. In the order of
 * series and time.
 *
 * Rows: `series`, `bucket` (when a slot of the season begins), `value` (what is expected there), `lower` and `upper` (`width` spreads below and above).
 * A slot that the frame has no measurement of has no row.
 *
 * @throws InvalidInputError naming the option that is wrong, and where the range has more than
 * 1,000,000 slots.
 * @example
 * const learnt = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('5 weeks') })
 * await baselineSeries(scope, learnt, { range: last('1 day') }).execute()
 *
 * // select "point".* from (
 * //   select "slot"."series", "bucket", "slot"."expected" as "value", ...
 * //   from (<the baseline>) as "slot" cross join lateral generate_series(<the slot's first time in the range's season>, $5, $6) as "bucket"
 * //   where "bucket" >= $7 and "bucket" < $8 order by "series", "bucket"
 * // ) as "point"
 */
export function baselineSeries(scope: Scope, frame: SeriesFrame, { range, width = 3, ...options }: BaselineSeriesOptions) {
  const { from, to } = checkedRange(range)
  const spreads = parse(z.number().min(0).max(1e100), width, 'width')
  const { season, slot } = parseSeason(options)
  assertBuckets({ from, to }, slot, 'slot')
  const first = sql`${dateBin(season, sql`${from}::timestamptz`)} + pg_catalog.make_interval(secs => slot.slot_start_s)`
  const laid = scope.db
    .selectFrom(seasonalBaseline(scope, frame, options).as('slot'))
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
    .orderBy('slot.series')
    .orderBy('time.bucket')
  return finished(scope, laid, 'point')
}
