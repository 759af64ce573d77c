import type { Kysely } from 'kysely'
import { qualified, type Installation } from '../database/installation.ts'
import { milliseconds } from '../database/range.ts'
import { asOwner } from '../database/transaction.ts'
import { takeTurn } from '../database/turn.ts'
import { rolledRows, rollupColumns, storedTable, type Rollup } from './rollup.ts'
import { datable, execute, type Stretch } from './statement.ts'

/** One transaction of rolling. */
export interface RolledUnit {
  /** From the first bucket rolled to the end of the last. */
  readonly stretch: Stretch
  readonly buckets: number
  /** Rows of the rollup that were written. */
  readonly rows: number
  /** Buckets that cannot be rolled again: part of what they were made from has been dropped. */
  readonly tooLate: readonly Date[]
}

/** Buckets are dated from here, in UTC: hours and days as everybody has them. */
const origin = Date.UTC(2000, 0, 1)

/** The beginning of the bucket that a moment falls into. */
export function bucketStart({ bucket }: Pick<Rollup, 'bucket'>, moment: Date): Date {
  const length = milliseconds(bucket)
  return new Date(origin + Math.floor((moment.getTime() - origin) / length) * length)
}

/** Buckets from here on are not rolled yet: their rows are still coming. */
export const rollHorizon = (rollup: Pick<Rollup, 'bucket'>, settle: string, now: Date): Date =>
  bucketStart(rollup, new Date(now.getTime() - milliseconds(settle)))

/** So many buckets are rolled in one transaction: a day of hours, a month of days. */
const unitBuckets = (rollup: Pick<Rollup, 'bucket'>) => (milliseconds(rollup.bucket) <= 3_600_000 ? 24 : 30)

/**
 * Rolls the stale buckets of the next unit, in a transaction of its own. Null when no bucket from `from` until before `horizon` is stale; all there are
 * being rolled, the rollup then answers up to `horizon` with what is stored.
 *
 * What is marked while this runs stays marked for the next time, committed or not: a mark is taken with the rows that came with it, or not at all.
 * Two that roll at once take turns, unit by unit.
 */
export function rollNextUnit(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  { from, horizon }: { from: Date | null; horizon: Date },
) {
  return inTurn(db, installation, rollup, async (trx): Promise<RolledUnit | null> => {
    const { rows } = await execute<{ first: Date | null }>(
      trx,
      `select min(bucket) as first from ${marks(installation)} where rollup = $1 and ${datable} and ($2::timestamptz is null or bucket >= $2::timestamptz) and bucket < $3`,
      [rollup.name, from?.toISOString() ?? null, horizon.toISOString()],
    )
    const first = rows[0]!.first
    if (first === null) {
      await advance(trx, installation, rollup, horizon)
      return null
    }
    const end = Math.min(horizon.getTime(), first.getTime() + unitBuckets(rollup) * milliseconds(rollup.bucket))
    const stretch = { from: first, to: new Date(end) }
    const stale = await takeMarks(trx, installation, rollup, stretch)
    const late = await lateOf(trx, installation, rollup, stale)
    const open = stale.filter((bucket) => !late.has(bucket.getTime()))
    return {
      stretch,
      buckets: open.length,
      rows: await rollBuckets(trx, installation, rollup, open),
      tooLate: stale.filter((bucket) => late.has(bucket.getTime())),
    }
  })
}

/**
 * Rolls the buckets that begin in a stretch of at most a unit's length again, stale or not.
 *
 * @param options `force` rolls those too whose source has been dropped in part; without it they stay as they are, as too late.
 */
export function rollStretch(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  stretch: Stretch,
  { force = false }: { force?: boolean } = {},
) {
  return inTurn(db, installation, rollup, async (trx): Promise<RolledUnit> => {
    await takeMarks(trx, installation, rollup, stretch)
    const length = milliseconds(rollup.bucket)
    const all = Array.from(
      { length: (stretch.to.getTime() - stretch.from.getTime()) / length },
      (_, at) => new Date(stretch.from.getTime() + at * length),
    )
    const late = force ? new Set<number>() : await lateOf(trx, installation, rollup, all)
    const open = all.filter((bucket) => !late.has(bucket.getTime()))
    const rows = await rollBuckets(trx, installation, rollup, open)
    return { stretch, buckets: open.length, rows, tooLate: all.filter((bucket) => late.has(bucket.getTime())) }
  })
}

/** A stretch of whole buckets cut into units, the oldest first. */
export function unitsOf(rollup: Rollup, { from, to }: Stretch): Stretch[] {
  const length = unitBuckets(rollup) * milliseconds(rollup.bucket)
  const count = Math.max(0, Math.ceil((to.getTime() - from.getTime()) / length))
  return Array.from({ length: count }, (_, at) => ({
    from: new Date(from.getTime() + at * length),
    to: new Date(Math.min(to.getTime(), from.getTime() + (at + 1) * length)),
  }))
}

function inTurn<T>(db: Kysely<{}>, installation: Installation, rollup: Rollup, work: (trx: Kysely<{}>) => Promise<T>): Promise<T> {
  return asOwner(db, installation, async (trx) => {
    await takeTurn(trx, rollTurn(installation, rollup))
    return work(trx)
  })
}

/** What those who roll the same, or drop what it is rolled from, wait for each other by. */
export const rollTurn = (installation: Installation, { name }: Pick<Rollup, 'name'>): string =>
  `pgvantage roll ${qualified(installation, name)}`

const marks = (installation: Installation) => qualified(installation, 'pgvantage_stale_bucket')

/** Buckets before the earliest mark that is left are as their source says, so the rollup may answer up to there with what is stored. */
const advance = (trx: Kysely<{}>, installation: Installation, { name }: Rollup, horizon: Date) =>
  execute(
    trx,
    `update ${qualified(installation, 'pgvantage_time_table')} set rolled_until = clean.until
from (
  select coalesce(min(bucket), $2::timestamptz) as until from ${marks(installation)} where rollup = $1 and ${datable} and bucket < $2::timestamptz
) as clean
where name = $1 and rolled_until < clean.until`,
    [name, horizon.toISOString()],
  )

/** Takes the marks of a stretch away; the buckets they stood for, in order. */
async function takeMarks(trx: Kysely<{}>, installation: Installation, { name }: Rollup, { from, to }: Stretch): Promise<Date[]> {
  const { rows } = await execute<{ bucket: Date }>(
    trx,
    `with taken as (
  delete from ${marks(installation)} where rollup = $1 and bucket >= $2 and bucket < $3 returning bucket
)
select distinct bucket from taken order by bucket`,
    [name, from.toISOString(), to.toISOString()],
  )
  return rows.map(({ bucket }) => bucket)
}

/**
 * Of these buckets those that must stay as they are: some of what they were made from has been dropped, and they hold what it was. One that holds
 * nothing has nothing to lose: of it all there is was written after the rest was dropped.
 */
async function lateOf(trx: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]): Promise<Set<number>> {
  const { rows } = await execute<{ bucket: Date }>(
    trx,
    `select stale.bucket
from unnest($1::timestamptz[]) as stale (bucket)
where stale.bucket < (select dropped_before from ${qualified(installation, 'pgvantage_time_table')} where name = $2)
  and exists (select from ${qualified(installation, storedTable(rollup))} as stored where stored.bucket = stale.bucket)`,
    [buckets.map((bucket) => bucket.toISOString()), rollup.source],
  )
  return new Set(rows.map(({ bucket }) => bucket.getTime()))
}

async function rollBuckets(trx: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]): Promise<number> {
  let rows = 0
  for (const run of runsOf(rollup, buckets)) rows += await rollRun(trx, installation, rollup, run)
  return rows
}

/** Neighbouring buckets together: each run is one read of one stretch of the source, whose bounds the planner can see. */
export function runsOf(rollup: Pick<Rollup, 'bucket'>, buckets: readonly Date[]): Stretch[] {
  const length = milliseconds(rollup.bucket)
  const runs: Stretch[] = []
  for (const from of buckets) {
    const to = new Date(from.getTime() + length)
    const before = runs.at(-1)
    if (before?.to.getTime() === from.getTime()) runs[runs.length - 1] = { from: before.from, to }
    else runs.push({ from, to })
  }
  return runs
}

async function rollRun(trx: Kysely<{}>, installation: Installation, rollup: Rollup, { from, to }: Stretch): Promise<number> {
  const stored = qualified(installation, storedTable(rollup))
  const bounds = [from.toISOString(), to.toISOString()]
  await execute(trx, `delete from ${stored} where bucket >= $1 and bucket < $2`, bounds)
  const { numAffectedRows = 0n } = await execute(
    trx,
    `insert into ${stored} (${rollupColumns(rollup).join(', ')})\n${rolledRows(installation, rollup, 'bucket >= $1 and bucket < $2')}`,
    bounds,
  )
  return Number(numAffectedRows)
}
