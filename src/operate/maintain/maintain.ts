import { z } from 'zod'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { findInstallation } from '../../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import type { OnWait } from '../../database/transaction/takeTurn.ts'
import type { ExpiringTable } from '../../lifecycle/partitions/dropExpired.ts'
import { forgetFailures, noteFailure } from '../../lifecycle/failures.ts'
import { storedTable } from '../../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { storableDate } from '../../schema/date.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { appliedPolicies } from '../policies/appliedPolicies.ts'
import { dropOld } from './drops.ts'
import { expireOld } from './expiry.ts'
import { makePartitions } from './partitions.ts'
import type { MaintainReport, MaintenanceUnit } from './report.ts'
import { rollAll } from './rolls.ts'
import { MaintenanceRun } from './run.ts'
import { noteDroppedByOthers } from './noteDroppedByOthers.ts'
import { checkedPolicies } from '../policies/checkedPolicies.ts'
import { defaultPolicies, type Policies } from '../policies/defaultPolicies.ts'

export type { MaintainReport, MaintenanceKind, MaintenanceStep, MaintenanceUnit, NotDone, TooLate } from './report.ts'

export interface MaintainOptions {
  /** Only needed when one database holds several installations. */
  schema?: string
  /**
   * How long buckets settle before they are rolled where no policy has been applied, and how tables
   * are cut. Default: `defaultPolicies`.
   */
  policies?: Policies
  /** The moment by which everything is judged. Default: now. */
  now?: Date
  /**
   * How often a lock that others hold is asked for, 100 ms each time, with longer and longer
   * pauses. Default: 10 times, within about seven seconds.
   */
  lockAttempts?: number
  /**
   * How many chunks of each table one run makes at most for what is older than a month; the rest is
   * left for the next run. Default: 100, which are two years of weeks, or eight of hours' chunks.
   */
  maxChunks?: number
  /** Gives up before the next unit; what was done stays done. */
  signal?: AbortSignal
  /** Called after each unit. */
  onStep?: (unit: MaintenanceUnit) => void
  /** Told for whom it waits, where somebody else rolls the same rollup already. */
  onWait?: OnWait
}

const maintainOptions = schemaOption.extend({
  policies: z.custom<Policies>().optional(),
  now: storableDate.default(() => new Date()),
  lockAttempts: z.int().min(1).max(100).default(10),
  maxChunks: z.int().min(1).max(10_000).default(100),
  signal: z.instanceof(AbortSignal).optional(),
  onStep: z.custom<MaintainOptions['onStep']>().optional(),
  onWait: z.custom<MaintainOptions['onWait']>().optional(),
})

/**
 * Does what the policies ask for and the server has no job for. To be called by a scheduler, every
 * few minutes or every few hours.
 *
 * On every rung events and locators expire. With TimescaleDB's community edition the rest is done
 * by its own jobs, except that what changed before their window is rolled here. Elsewhere stale
 * buckets are rolled up, hours before days, and what is older than its retention is dropped;
 * without TimescaleDB partitions are made ahead of time, and rows that had none are moved into
 * their own.
 *
 * Nothing is dropped or deleted that `applyPolicies` has not put a retention on, and no chunk
 * before it has been rolled up. Rolling needs no policy: the rollups give the same answers before
 * and after, only faster.
 *
 * Short transactions, one a unit (a day of hours, a partition, a thousand events): killed at any
 * moment it leaves whole units, and the next run goes on from there. Two at once take turns. Run
 * again with nothing new it does nothing: `steps` is empty. The newest is rolled first, of all
 * tables.
 *
 * One unit that cannot be done costs itself only. `notDone` says why: a lock is not to be had
 * within some seconds, or the server refuses (`failed`, with its reason); the next run tries again.
 * A bucket that fails because of what some tenant's rows hold is rolled for everybody else; that
 * tenant's rows of it stay as they were and are tried again after six hours, or when they change.
 * `doctor` tells what keeps failing.
 *
 * @throws SchemaVersionError when nothing is installed, or another version than this library's.
 * @throws InvalidInputError when the policies are malformed, `now` is no date, or `db` is a
 * transaction.
 * @throws the signal's reason when aborted.
 * @example
 * const { steps, tooLate, notDone } = await maintain(db)
 * console.table(steps) // [{ step: 'roll', object: 'metric_1h', units: 1, rows: 240, ms: 31 }, ...]
 */
export async function maintain(db: AnyKysely, options: MaintainOptions = {}): Promise<MaintainReport> {
  const {
    schema,
    policies = defaultPolicies,
    now,
    lockAttempts,
    maxChunks,
    signal,
    onStep,
    onWait,
  } = parseOptions(maintainOptions, options)
  if (db.isTransaction) {
    throw new InvalidInputError('db', 'must not be a transaction: maintenance is many short ones, give it the connection or pool itself')
  }
  const { time } = checkedPolicies(policies)
  signal?.throwIfAborted()
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const applied = await appliedPolicies(plain, installation)
  await noteDroppedByOthers(plain, installation, applied, time.flatMap(cutTables))
  const run = new MaintenanceRun(plain, installation, applied, { now, lockAttempts, maxChunks, signal, onStep, onWait })
  if (installation.timeRung === 'native') for (const table of time.flatMap(cutTables)) await makePartitions(run, table)
  await rollAll(run, time)
  if (installation.timeRung !== 'community') for (const table of time.flatMap(cutTables)) await dropOld(run, table)
  await expireOld(run)
  await writeDown(run)
  return run.report()
}

/** The tables that a policy cuts into chunks: the one it is about, and where its rollups lie. */
function cutTables({ table, chunk, rollups }: TimePolicy): ExpiringTable[] {
  const all = [
    { name: table, table, chunk },
    ...rollups.map(({ rollup }) => ({ name: rollup.name, table: storedTable(rollup), chunk: rollup.chunk })),
  ]
  return all.map((cut, at) => ({ ...cut, rollup: rollups[at]?.rollup ?? null }))
}

/**
 * What failed is kept for `doctor`, and what did not fail again is forgotten. Of tenants set aside
 * in rolling the unit itself has written it down.
 */
async function writeDown(run: MaintenanceRun): Promise<void> {
  const { db, installation } = run
  const { notDone } = run.report()
  const failed = notDone.flatMap(({ kind, object, from, state, reason = '', tenantId = null }) =>
    state === 'failed' && !(kind === 'roll' && tenantId !== null) ? [{ step: kind, object, at: from, tenantId, reason }] : [],
  )
  await asOwner(db, installation, async (trx) => {
    await forgetFailures(
      trx,
      installation,
      notDone.flatMap(({ kind, object, state }) => (state === 'left' ? [{ step: kind, object }] : [])),
      failed,
    )
    for (const failure of failed) await noteFailure(trx, installation, failure)
  })
}
