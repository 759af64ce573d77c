import { sql } from 'kysely'
import { z } from 'zod'
import { dateBin } from '../../database/buckets.ts'
import { timeRange, type TimeRange } from '../../database/range.ts'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import { assertBuckets, lengthText } from '../bucketLength.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

export interface GapfillOptions {
  /** The length of a bucket: that of the frame's buckets, or what it was resampled to. */
  every: string
  /** Every bucket that begins in this range gets a row. */
  range: TimeRange
  /**
   * The value of a gap: null, 0, the last value before it, or a straight line between the values
   * around it.
   */
  fill: 'null' | 'zero' | 'last' | 'linear'
}

const gapfillOptions = z.strictObject({ every: lengthText, range: timeRange, fill: z.enum(['null', 'zero', 'last', 'linear']) })

/**
 * Fills the gaps of each series: one row for every bucket that begins in the range. Ordered by
 * series, then time.
 *
 * | `fill` | the value of an added row, and of a point that is null |
 * |---|---|
 * | `'null'` | null |
 * | `'zero'` | 0, for counts: a missing count is a count of 0 |
 * | `'last'` | the last earlier value that is not null; null if there is none |
 * | `'linear'` | interpolated by time between the values before and after; null if one of them is missing (no extrapolation) |
 *
 * - Rows are only added. Every point of the frame in the range keeps its time and its value. A
 *   bucket that holds a point gets no other row, even if the point is not at the bucket's
 *   beginning.
 * - Buckets are aligned as in {@link resample}.
 * - A series without any point in the frame has no rows: it is unknown here.
 * - Points outside of the range get no rows, but `'last'` and `'linear'` use them as neighbours.
 *   Make the frame's range longer than the one to fill, so that the first gap can be filled.
 * - NaN is a value: `'last'` carries it on, and a line from or to it is NaN. The same holds for
 *   infinities. For very small and large values see {@link SeriesRow}.
 * - `time_bucket_gapfill` of TimescaleDB differs in one thing: it begins with the bucket that
 *   contains the beginning of the range.
 *
 * @throws InvalidInputError naming the option that is out of its range, or if the range has more
 * than 1,000,000 buckets.
 * @example
 * const range = last('6 hours')
 * const errors = patternSeries(scope, { measure: 'count_total', range })
 * await gapfill(scope, errors, { every: '5 minutes', range, fill: 'zero' }).execute()
 *
 * // select "filled".* from (
 * //   with "measured" as (...),
 * //     "slotted" as (... union all select ... from (select distinct "measured"."series" ...) as
 * //       "name" cross join generate_series(...) as slot (bucket)),
 * //     "present" as (select ... where point.is_point or not point.is_taken)
 * //   select "point"."series", "point"."bucket", "point"."value" from (...) as "point"
 * //   where "point"."bucket" >= $8 and "point"."bucket" < $9 order by ("point"."series") collate
 * //     "C", "point"."bucket"
 * // ) as "filled"
 */
export function gapfill(scope: Scope, frame: SeriesFrame, options: GapfillOptions): Finished<SeriesRow, 'filled'> {
  const { every, range, fill } = parseOptions(gapfillOptions, options)
  assertBuckets(range, every, 'every')
  const { from, to } = range
  const slots = sql<{ bucket: Date }>`generate_series(
    ${dateBin(every, sql<Date>`${from}::timestamptz - interval '1 microsecond'`)} + ${exactInterval(every)},
    ${to}::timestamptz - interval '1 microsecond',
    ${exactInterval(every)}
  )`.as<'slot'>(sql`slot (bucket)`)
  // Slots with a point are found by grouping, not by joining: the planner cannot estimate a frame's
  // rows, and where it guesses few it compares every slot with every point.
  const present = scope.db
    .with('measured', () => boundedPoints(scope, frame))
    .with('slotted', (db) =>
      db
        .selectFrom('measured')
        .select([
          'measured.series',
          'measured.bucket',
          'measured.value',
          dateBin(every, sql.ref('measured.bucket')).as('slot'),
          sql<boolean>`true`.as('is_point'),
        ])
        .unionAll(
          db
            .selectFrom(db.selectFrom('measured').select('measured.series').distinct().as('name'))
            .crossJoin(slots)
            .select([
              'name.series',
              'slot.bucket',
              sql<number | null>`null::float8`.as('value'),
              'slot.bucket as slot',
              sql<boolean>`false`.as('is_point'),
            ]),
        ),
    )
    .with('present', (db) => {
      const seen = db
        .selectFrom('slotted')
        .selectAll('slotted')
        .select(
          sql<boolean>`bool_or(slotted.is_point and slotted.bucket < ${to}) over (partition by slotted.series, slotted.slot)`.as(
            'is_taken',
          ),
        )
      return db
        .selectFrom(seen.as('point'))
        .select(['point.series', 'point.bucket', 'point.value'])
        .where(sql<boolean>`point.is_point or not point.is_taken`)
    })
  const filled = present
    .selectFrom(filling[fill](scope).as('point'))
    .select(['point.series', 'point.bucket', 'point.value'])
    .where('point.bucket', '>=', from)
    .where('point.bucket', '<', to)
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, filled, 'filled')
}

/** What each fill makes of the rows of `present`. */
const filling = {
  null: (scope: Scope) => presentRows(scope),
  zero: (scope: Scope) =>
    scope.db
      .selectFrom(presentRows(scope).as('point'))
      .select(['point.series', 'point.bucket', sql<number | null>`coalesce(point.value, 0)`.as('value')]),
  last: (scope: Scope) => {
    // A value begins a stretch that lasts until the next value: counting the values up to a row
    // numbers its stretch.
    const stretches = presentRows(scope).select(
      sql<number>`pg_catalog.count(point.value) over (partition by point.series collate "C" order by point.bucket)`.as('stretch'),
    )
    return scope.db
      .selectFrom(stretches.as('point'))
      .select([
        'point.series',
        'point.bucket',
        sql<number | null>`max(point.value) over (partition by point.series collate "C", point.stretch)`.as('value'),
      ])
  },
  linear: (scope: Scope) => {
    // Window frames that only grow, forwards or backwards: PostgreSQL recomputes one that shrinks
    // for every row.
    const neighbours = presentRows(scope).select([
      sql<Date | null>`max(point.bucket) filter (where point.value is not null)
        over (partition by point.series collate "C" order by point.bucket)`.as('since'),
      sql<Date | null>`min(point.bucket) filter (where point.value is not null)
        over (partition by point.series collate "C" order by point.bucket desc)`.as('until'),
    ])
    const ends = scope.db
      .selectFrom(neighbours.as('point'))
      .selectAll('point')
      .select([
        sql<number | null>`max(point.value) over (partition by point.series collate "C", point.since)`.as('first'),
        sql<number | null>`max(point.value) over (partition by point.series collate "C", point.until)`.as('next'),
      ])
    return scope.db.selectFrom(ends.as('point')).select([
      'point.series',
      'point.bucket',
      sql<number | null>`case when point.value is not null then point.value
        when point.since is not null and point.until is not null then point.first + (point.next - point.first)
          * extract(epoch from point.bucket - point.since)::float8 / extract(epoch from point.until - point.since)::float8
      end`.as('value'),
    ])
  },
}

/** The rows of the common table expression `present`. */
const presentRows = (scope: Scope) =>
  scope.db.selectFrom(sql<SeriesRow>`${sql.id('present')}`.as('point')).select(['point.series', 'point.bucket', 'point.value'])
