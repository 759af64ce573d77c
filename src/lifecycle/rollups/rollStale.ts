import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { bucketStart } from '../../database/buckets.ts'
import { milliseconds } from '../../database/range.ts'
import { rollTurn } from '../../database/transaction/rollTurn.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { forgetSetAside, noteFailure, tryAgain } from '../failures.ts'
import { lateOf, rollBuckets } from './rollBuckets.ts'
import { storedTable, type Rollup } from './rollup.ts'
import { advance, forgetMarks, takeMarks } from './staleMarks.ts'
import { beginsWithin, execute, type Stretch } from '../statement.ts'

/** One transaction of rolling up. */
export interface RolledUnit {
  /** From the first bucket to the end of the last. */
  readonly stretch: Stretch
  readonly buckets: number
  /** Rows of the rollup that were written. */
  readonly rows: number
  /** Buckets that cannot be rolled up again: part of their source has been dropped. */
  readonly tooLate: readonly Date[]
  /**
   * Whether there were more marks than one transaction removes: then no bucket is rolled up yet,
   * and all must be tried again.
   */
  readonly again: boolean
}

/** A tenant whose rows of a bucket cannot be rolled up, and the server's reason. */
export interface SetAside {
  readonly tenantId: string
  readonly error: unknown
}

/** Buckets from here on are not rolled up yet: their rows are still arriving. */
export const rollHorizon = ({ bucket }: Pick<Rollup, 'bucket'>, settle: string, now: Date): Date =>
  bucketStart(bucket, new Date(now.getTime() - milliseconds(settle)))

/** How many buckets are rolled up in one transaction: a day of hours, a month of days. */
export const unitBuckets = (rollup: Pick<Rollup, 'bucket'>): number => (milliseconds(rollup.bucket) <= 3_600_000 ? 24 : 30)

/**
 * Rolls up the marked ones of some buckets, in a transaction of its own.
 *
 * A bucket that is marked while this runs stays marked for the next time, committed or not: a mark
 * is removed together with the rows that it came with, or not at all. Two processes take turns,
 * unit by unit; buckets that one has rolled up have no mark for the other.
 */
export function rollMarked(db: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]): Promise<RolledUnit> {
  return inTurn(db, installation, rollup, async (trx) => {
    const stretch = stretchOf(rollup, buckets)
    const taken = await takeMarks(trx, installation, rollup, buckets)
    if (!taken.all) return { stretch, buckets: 0, rows: 0, tooLate: [], again: true }
    const { open, late } = await openAndLate(trx, installation, rollup, taken.buckets)
    await forgetSetAside(trx, installation, rollup.name, open)
    return { stretch, buckets: open.length, rows: await rollBuckets(trx, installation, rollup, open), tooLate: late, again: false }
  })
}

/**
 * Rolls up a marked bucket tenant by tenant, in a transaction of its own. Tenants whose rows the
 * server refuses keep their old rows, and are named in the result; all others are rolled up.
 *
 * @param isData distinguishes an error about rows from one about the server, which is thrown.
 */
export function rollApart(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  bucket: Date,
  isData: (error: unknown) => boolean,
): Promise<RolledUnit & { setAside: SetAside[] }> {
  return inTurn(db, installation, rollup, async (trx) => {
    const stretch = stretchOf(rollup, [bucket])
    const taken = await takeMarks(trx, installation, rollup, [bucket])
    if (!taken.all) return { stretch, buckets: 0, rows: 0, tooLate: [], again: true, setAside: [] }
    const { open, late } = await openAndLate(trx, installation, rollup, taken.buckets)
    const setAside: SetAside[] = []
    let rows = 0
    for (const tenantId of open.length === 0 ? [] : await tenantsOf(trx, installation, rollup, stretch)) {
      await execute(trx, 'savepoint pgvantage_tenant')
      try {
        rows += await rollBuckets(trx, installation, rollup, open, tenantId)
        await execute(trx, 'release savepoint pgvantage_tenant')
      } catch (error) {
        if (!isData(error)) throw error
        await execute(trx, 'rollback to savepoint pgvantage_tenant')
        setAside.push({ tenantId, error })
      }
    }
    await forgetSetAside(
      trx,
      installation,
      rollup.name,
      [bucket],
      setAside.map(({ tenantId }) => tenantId),
    )
    for (const { tenantId, error } of setAside) {
      const reason = error instanceof Error ? error.message : String(error)
      await noteFailure(trx, installation, { step: 'roll', object: rollup.name, at: bucket, tenantId, reason })
    }
    return { stretch, buckets: open.length, rows, tooLate: late, again: false, setAside }
  })
}

/** Marks buckets of tenants that were set aside, if it is time to try again. */
export const retrySetAside = (db: Kysely<{}>, installation: Installation, rollup: Rollup) =>
  asOwner(db, installation, (trx) => tryAgain(trx, installation, rollup.name))

/** Lets the rollup use its stored rows as far as it is rolled up. */
export const advanceTo = (db: Kysely<{}>, installation: Installation, rollup: Rollup, horizon: Date) =>
  inTurn(db, installation, rollup, (trx) => advance(trx, installation, rollup, horizon))

/**
 * Deletes marks of buckets before a time: rows rolled up into them would be older than any
 * retention.
 */
export async function forgetBefore(db: Kysely<{}>, installation: Installation, rollup: Rollup, before: Date): Promise<void> {
  while (!(await inTurn(db, installation, rollup, (trx) => forgetMarks(trx, installation, rollup, before))).all);
}

/**
 * Rolls up the buckets that begin in a stretch of at most a unit's length again, stale or not.
 *
 * @param options `force` includes buckets whose source has partly been dropped; without it they
 * stay as they are, and are reported as too late.
 */
export function rollStretch(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  stretch: Stretch,
  { force = false }: { force?: boolean } = {},
) {
  return inTurn(db, installation, rollup, async (trx): Promise<RolledUnit> => {
    const length = milliseconds(rollup.bucket)
    const all = Array.from(
      { length: (stretch.to.getTime() - stretch.from.getTime()) / length },
      (_, at) => new Date(stretch.from.getTime() + at * length),
    )
    await takeMarks(trx, installation, rollup, all)
    const { open, late } = force ? { open: all, late: [] } : await openAndLate(trx, installation, rollup, all)
    const rows = await rollBuckets(trx, installation, rollup, open)
    return { stretch, buckets: open.length, rows, tooLate: late, again: false }
  })
}

/** Splits a stretch of whole buckets into units, the oldest first. */
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
    await takeTurn(trx, rollTurn(installation, rollup.name))
    return work(trx)
  })
}

/** From the first of some ordered buckets to the end of the last. */
const stretchOf = (rollup: Rollup, buckets: readonly Date[]): Stretch => ({
  from: buckets[0]!,
  to: new Date(buckets.at(-1)!.getTime() + milliseconds(rollup.bucket)),
})

async function openAndLate(trx: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]) {
  const late = await lateOf(trx, installation, rollup, buckets)
  const isLate = (bucket: Date) => late.has(bucket.getTime())
  return { open: buckets.filter((bucket) => !isLate(bucket)), late: buckets.filter(isLate) }
}

/** The tenants with rows in a stretch, in the rollup or its source. */
async function tenantsOf(trx: Kysely<{}>, installation: Installation, rollup: Rollup, stretch: Stretch): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select tenant_id::text as id from ${sql.id(installation.schema, rollup.source)} where ${beginsWithin(stretch)}
    union
    select tenant_id::text from ${sql.id(installation.schema, storedTable(rollup))} where ${beginsWithin(stretch)}
    order by 1
  `.execute(trx)
  return rows.map(({ id }) => id)
}
