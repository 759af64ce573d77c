import { sql, type Expression, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { durationText, milliseconds, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'

/** One of the tables that hold the same rows, put together by buckets of one length. */
export interface Tier<Table extends string = string> {
  readonly table: Table
  /** `'1 minute'` */
  readonly bucket: string
}

/** Where a series is read from, and how long its buckets are. */
export interface Reading<Table extends string = string> {
  /** The table to read. */
  table: Table
  /** How many buckets of the table make one of the series: 1, where they are those of the table. */
  merged: number
  /** The length of the series' buckets, an interval of fixed length. */
  every: string
  /** When the buckets begin that are read: the range, moved to whole buckets of the series where several of the table make one. */
  range: TimeRange
}

/**
 * How long the buckets of a series are: `'auto'`, or a whole number of the finest table's buckets, such as `'15 minutes'`.
 *
 * - `'auto'`: the buckets of the finest table that has at most 10,080 of them in the range (a week of minutes, 35 days of five minutes, 420 days of hours) and whose rows
 *   of that time have not been dropped; where no table has it all, the coarsest.
 * - any other: from the coarsest table whose buckets they are made of, which is the fastest and tells the same. Where that table's rows may have been dropped,
 *   finer ones have gone long before.
 */
export type Resolution = string

/** A week of minutes. */
const maxBuckets = 10_080

/** Buckets are counted from where TimescaleDB's `time_bucket` counts them: a Monday. */
const origin = Date.UTC(2000, 0, 3)

/** JavaScript's last date. */
const lastDate = 8.64e15

/**
 * Which table a series over a range is read from.
 *
 * @param tiers the tables, the finest first; the buckets of each are made of the finer one's.
 * @throws InvalidInputError when the resolution is neither `'auto'` nor made of the finest table's buckets.
 * @example
 * readingOf(scope, [{ table: 'metric_1m', bucket: '1 minute' }, { table: 'metric_1h', bucket: '1 hour' }], last('30 days'))
 * // { table: 'metric_1h', merged: 1, every: '1 hour', range }
 */
export function readingOf<Table extends string>(
  scope: Scope,
  tiers: readonly [Tier<Table>, ...Tier<Table>[]],
  range: TimeRange,
  resolution: Resolution = 'auto',
): Reading<Table> {
  const coarsestFirst = tiers.toReversed()
  if (parse(z.union([z.literal('auto'), durationText], { error: problem(tiers[0]) }), resolution, 'resolution') === 'auto') {
    const length = range.to.getTime() - range.from.getTime()
    const fits = ({ table, bucket }: Tier) => length <= maxBuckets * milliseconds(bucket) && holds(scope, table, range)
    const { table, bucket } = tiers.find(fits) ?? coarsestFirst[0]!
    return { table, merged: 1, every: bucket, range }
  }
  const every = milliseconds(resolution)
  const made = coarsestFirst.find(({ bucket }) => every % milliseconds(bucket) === 0)
  if (made === undefined) throw new InvalidInputError('resolution', `${problem(tiers[0])}, got ${preview(resolution)}`)
  const merged = every / milliseconds(made.bucket)
  return { table: made.table, merged, every: resolution, range: merged === 1 ? range : wholeBuckets(range, every) }
}

/**
 * The bucket of the series that a row of the table falls into.
 *
 * The length is checked, and stands in the SQL itself: an expression to group by is recognised in the select list only while nothing in it is a parameter.
 *
 * @example
 * seriesBucket(readingOf(scope, tiers, range, '15 minutes'), sql.ref('metric.bucket'))
 * // date_bin('900000 milliseconds'::interval, "metric"."bucket", '2000-01-03T00:00:00Z'::timestamptz)
 */
export const seriesBucket = ({ merged, every }: Reading, bucket: Expression<Date>): RawBuilder<Date> =>
  merged === 1
    ? sql<Date>`${bucket}`
    : sql<Date>`date_bin(${sql.lit(`${milliseconds(every)} milliseconds`)}::interval, ${bucket}, '2000-01-03T00:00:00Z'::timestamptz)`

function holds(scope: Scope, table: string, { from }: TimeRange): boolean {
  const since = scope.heldSince(table)
  return since === null || since <= from
}

/** The buckets that begin in the range, from the beginning of the first to the end of the last. */
function wholeBuckets({ from, to }: TimeRange, every: number): TimeRange {
  const next = (time: Date) => new Date(Math.min(origin + Math.ceil((time.getTime() - origin) / every) * every, lastDate))
  return { from: next(from), to: next(to) }
}

const problem = ({ bucket }: Tier) => `must be 'auto' or an interval made of whole buckets of ${bucket}`
