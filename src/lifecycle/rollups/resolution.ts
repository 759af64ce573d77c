import { sql, type Expression, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { bucketsBeginningIn, dateBinLiteral } from '../../database/buckets.ts'
import { durationText, milliseconds, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { parse } from '../../schema/parse.ts'
import type { TimePolicy } from '../timePolicy.ts'
import type { Rollup } from './rollup.ts'

/** A rollup table, and the coarser ones computed from it. */
export interface Ladder<Table extends string = string> {
  /** The table whose buckets are the finest. */
  readonly table: Table
  /** The length of its buckets: `'1 minute'`. */
  readonly bucket: string
  /** Each is computed from the one before, the first from the table. */
  readonly rollups: readonly Rollup[]
}

/** The tables of a policy, from a table with the given buckets on. */
export const ladderOf = <Table extends string>({ table, rollups }: TimePolicy<Table>, bucket: string): Ladder<Table> => ({
  table,
  bucket,
  rollups: rollups.map(({ rollup }) => rollup),
})

/** The table that a series is read from, and the length of its buckets. */
export interface Reading {
  /** The name of the table or rollup to read. */
  table: string
  /** How many of the table's buckets form one of the series; 1 if they are the same. */
  merged: number
  /** The length of the series' buckets, an interval of fixed length. */
  every: string
  /**
   * The starts of the buckets to read: the range, extended to whole buckets of the series if
   * several form one.
   */
  range: TimeRange
  /** Whether `'auto'` chose the table because it had all rows of the range. */
  chosen: boolean
}

/**
 * The length of a series' buckets: `'auto'`, or a whole number of the finest table's buckets, such
 * as `'15 minutes'`.
 *
 * - `'auto'`: the buckets of the finest table that has at most 10,080 of them in the range (a week
 *   of minutes, 35 days of five minutes, 420 days of hours) and whose rows in the range have not
 *   been dropped; the coarsest table if there is no such table.
 * - Any other length: read from the coarsest table whose buckets divide it, which is the fastest
 *   and gives the same result. If that table's rows may have been dropped, finer ones were dropped
 *   long before.
 */
export type Resolution = string

/** A week of minutes. */
const maxBuckets = 10_080

/**
 * The table from which a series over a range is read.
 *
 * @throws InvalidInputError if the resolution is neither `'auto'` nor a multiple of the finest
 * table's buckets.
 * @example
 * readingOf(scope, { table: 'metric_1m', bucket: '1 minute', rollups: [metric1h, metric1d] }, last('30 days'))
 * // { table: 'metric_1h', merged: 1, every: '1 hour', range, chosen: true }
 */
export function readingOf(scope: Scope, ladder: Ladder, range: TimeRange, resolution: Resolution = 'auto'): Reading {
  const finest = { name: ladder.table, bucket: ladder.bucket }
  const tiers: readonly Tier[] = [finest, ...ladder.rollups]
  const wanted = parse(resolutionOf(finest), resolution, 'resolution')
  if (wanted === 'auto') {
    const length = range.to.getTime() - range.from.getTime()
    const fits = ({ name, bucket }: Tier) => length <= maxBuckets * milliseconds(bucket) && holds(scope, name, range)
    const { name, bucket } = tiers.find(fits) ?? tiers.at(-1)!
    return { table: name, merged: 1, every: bucket, range, chosen: true }
  }
  const every = milliseconds(wanted)
  const { name, bucket } = tiers.findLast((tier) => every % milliseconds(tier.bucket) === 0) ?? finest
  const merged = every / milliseconds(bucket)
  return { table: name, merged, every: wanted, range: merged === 1 ? range : bucketsBeginningIn(wanted, range), chosen: false }
}

const resolutionOf = ({ bucket }: Tier) =>
  z
    .string()
    .refine(
      (text) => text === 'auto' || (durationText.safeParse(text).success && milliseconds(text) % milliseconds(bucket) === 0),
      `must be 'auto' or an interval made of whole buckets of ${bucket}`,
    )

type Tier = Pick<Rollup, 'name' | 'bucket'>

/**
 * The bucket of the series that contains a row of the table.
 *
 * @example
 * seriesBucket(readingOf(scope, ladder, range, '15 minutes'), sql.ref('metric.bucket'))
 * // date_bin('900000 milliseconds'::interval, "metric"."bucket",
 * //   '2000-01-03T00:00:00Z'::timestamptz)
 */
export const seriesBucket = ({ merged, every }: Reading, bucket: Expression<Date>): RawBuilder<Date> =>
  merged === 1 ? sql<Date>`${bucket}` : dateBinLiteral(every, bucket)

function holds(scope: Scope, table: string, { from }: TimeRange): boolean {
  const since = scope.heldSince(table)
  return since === null || since <= from
}
