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
import { forgetSeries } from './series.ts'
import { noteDroppedByOthers } from './noteDroppedByOthers.ts'
import { checkedPolicies } from '../policies/checkedPolicies.ts'
import { defaultPolicies, type Policies } from '../policies/defaultPolicies.ts'

export type { MaintainReport, MaintenanceKind, MaintenanceStep, MaintenanceUnit, NotDone, TooLate } from './report.ts'

export interface MaintainOptions {
  /** Only needed if the database has several installations. */
  schema?: string
  /**
   * How long buckets settle before they are rolled up if no policy has been applied, and how tables
   * are partitioned. Default: `defaultPolicies`.
   */
  policies?: Policies
  /** The time that ages are measured from. Default: now. */
  now?: Date
  /**
   * How many attempts are made to get a lock that others hold, 100 ms each, with growing pauses.
   * Default: 10, within about seven seconds.
   */
  lockAttempts?: number
  /**
   * The most chunks per table that one run creates for data older than a month; the next run does
   * the rest. Default: 100, which is two years of weekly chunks, or eight of the hourly rollups'
   * chunks.
   */
  maxChunks?: number
  /** Stops before the next unit; completed units stay. */
  signal?: AbortSignal
  /** Called after each unit. */
  onStep?: (unit: MaintenanceUnit) => void
  /** Called with the session waited for, if another one is rolling up the same rollup. */
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
 * Does what the policies require and the server has no job for. Call it from a scheduler, every few
 * minutes or every few hours.
 *
 * | | with TimescaleDB's community edition | elsewhere |
 * |---|---|---|
 * | events and locators | deletes those older than their retention | the same |
 * | rollups | rolls up what changed before the window of the server's job | rolls up stale buckets, hours before days |
 * | retention | done by the server's jobs | drops chunks older than it |
 * | series of metrics | deletes those without a row in any table | the same |
 * | partitions, without TimescaleDB | | creates them ahead of time, and moves rows from the default partition into their own |
 *
 * - Only tables with a retention from `applyPolicies` lose rows, and no chunk is dropped before it
 *   is rolled up.
 * - Rolling up needs no policy: reads give the same answers before and after, only faster.
 * - Each unit (a day of hours, a partition, a thousand events) is one short transaction. A killed
 *   run leaves whole units, and the next run continues. Two runs at once take turns.
 * - A run with nothing to do does nothing: `steps` is empty.
 * - The newest buckets are rolled up first, of all tables.
 *
 * A unit that fails does not stop the others. `notDone` says why: its lock was not available within
 * some seconds, or the server refused (`failed`, with the reason); the next run tries again. If a
 * bucket fails because of one tenant's rows, it is rolled up for all other tenants; that tenant's
 * rows stay as they were, and are tried again after six hours or when they change. `doctor` reports
 * what keeps failing.
 *
 * @throws SchemaVersionError if nothing is installed, or another version than this library's.
 * @throws InvalidInputError if the policies are malformed, `now` is not a date, or `db` is a
 * transaction.
 * @throws the signal's reason if aborted.
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
    throw new InvalidInputError(
      'db',
      'must not be a transaction: maintenance runs many short transactions, pass the connection or pool itself',
    )
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
  await forgetSeries(run)
  await writeDown(run)
  return run.report()
}

/** The tables that a policy partitions: its own, and the storage of its rollups. */
function cutTables({ table, chunk, rollups }: TimePolicy): ExpiringTable[] {
  const all = [
    { name: table, table, chunk },
    ...rollups.map(({ rollup }) => ({ name: rollup.name, table: storedTable(rollup), chunk: rollup.chunk })),
  ]
  return all.map((cut, at) => ({ ...cut, rollup: rollups[at]?.rollup ?? null }))
}

/**
 * Stores failures for `doctor`, and deletes those that did not occur again. (A unit stores the
 * tenants it set aside itself.)
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
