import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { findInstallation, type Installation } from '../database/installation.ts'
import { milliseconds } from '../database/range.ts'
import { plainKysely } from '../database/plain.ts'
import { expireEvents, type EventCursor } from '../events/expireEvents.ts'
import { expireLocators, locatorDatasets, type LocatorCursor } from '../events/expireLocators.ts'
import { addPartition } from '../lifecycle/addPartition.ts'
import { dropExpired, expiredChunks, type ExpiringTable } from '../lifecycle/dropExpired.ts'
import { chunkNumber, chunkStretch, partitionsOf, uncovered } from '../lifecycle/partition.ts'
import { bucketFrom, closedBuckets, invalidStretches, refreshAggregate } from '../lifecycle/refreshAggregate.ts'
import { rollHorizon, rollNextUnit } from '../lifecycle/rollStale.ts'
import { storedTable } from '../lifecycle/rollup.ts'
import type { Stretch } from '../lifecycle/statement.ts'
import { staleChunks, strayChunks } from '../lifecycle/strayChunks.ts'
import { summarizeNewRows } from '../lifecycle/summarize.ts'
import type { RollupPolicy, TimePolicy } from '../lifecycle/timePolicy.ts'
import type { ShortLockOptions } from '../lifecycle/shortLock.ts'
import { storableDate } from '../schema/date.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse } from '../schema/parse.ts'
import { appliedPolicies, type AppliedPolicy } from './appliedPolicies.ts'
import { checkedPolicies, defaultPolicies, type Policies } from './policies.ts'

/**
 * What `maintain` does to a table: gives a stretch of time a `partition` of its own, with the rows that were waiting for one; `roll`s stale buckets up;
 * has the server `refresh` what its own jobs leave out; `drop`s what is older than its retention; deletes rows that `expire`.
 */
export type MaintenanceKind = 'partition' | 'roll' | 'refresh' | 'drop' | 'expire'

/** One transaction of it. */
export interface MaintenanceUnit {
  readonly step: MaintenanceKind
  /** The table: `metric_1m`, `event_envelope`; what is rolled is named by its rollup (`metric_1h`), what is cut and dropped by where its rows lie (`metric_1h_stored`). */
  readonly object: string
  /** The stretch of time it was about; null where it was about rows one by one, or has no end. */
  readonly from: Date | null
  readonly to: Date | null
  /** Rows moved, written or deleted; null where the server does not say. A dropped chunk is dropped unread: 0. */
  readonly rows: number | null
  readonly ms: number
}

/** All that was done of one kind to one table. */
export interface MaintenanceStep {
  readonly step: MaintenanceKind
  readonly object: string
  readonly units: number
  readonly rows: number | null
  readonly ms: number
}

/** What was left for the next time, and why. */
export interface NotDone {
  readonly step: MaintenanceKind
  readonly object: string
  readonly from: Date
  readonly to: Date
  /** `locked`: somebody kept a lock through all attempts. `stale`: what is to be dropped has not been rolled yet. */
  readonly why: 'locked' | 'stale'
  readonly attempts: number
}

/** A bucket whose rows came after part of it had been dropped: it stays as it was, and they go when their retention ends. */
export interface TooLate {
  readonly rollup: string
  readonly bucket: Date
}

export interface MaintainReport {
  /** In the order they were begun; empty when there was nothing to do. */
  readonly steps: readonly MaintenanceStep[]
  readonly tooLate: readonly TooLate[]
  readonly notDone: readonly NotDone[]
}

export interface MaintainOptions {
  /** Only needed when one database holds several installations. */
  schema?: string
  /** How long buckets settle before they are rolled where no policy has been applied, and how tables are cut. Default: `defaultPolicies`. */
  policies?: Policies
  /** The moment by which everything is judged. Default: now. */
  now?: Date
  /** How often a lock that others hold is asked for, 100 ms each time, with longer and longer pauses. Default: 10 times, within about seven seconds. */
  lockAttempts?: number
  /** Gives up before the next unit; what was done stays done. */
  signal?: AbortSignal
  /** Called after each unit. */
  onStep?: (unit: MaintenanceUnit) => void
}

/**
 * Does what the policies ask for and the server has no job for. To be called by a scheduler, every few minutes or every few hours.
 *
 * On every rung events and locators expire. With TimescaleDB's community edition the rest is done by its own jobs, except that what changed before
 * their window is rolled here. Elsewhere stale buckets are rolled up, hours before days, and what is older than its retention is dropped; without
 * TimescaleDB partitions are made ahead of time, and rows that had none are moved into their own.
 *
 * Nothing is dropped or deleted that `applyPolicies` has not put a retention on, and no chunk before it has been rolled up. Rolling needs no policy: the
 * rollups give the same answers before and after, only faster.
 *
 * Short transactions, one a unit (a day of hours, a partition, a thousand events): killed at any moment it leaves whole units, and the next run goes
 * on from there. Two at once take turns. Run again with nothing new it does nothing: `steps` is empty. Where a lock is not to be had within some seconds,
 * that unit is reported as not done and left for the next run.
 *
 * @throws SchemaVersionError when nothing is installed, or another version than this library's.
 * @throws InvalidInputError when the policies are malformed, `now` is no date, or `db` is a transaction.
 * @throws the signal's reason when aborted.
 * @example
 * const { steps, tooLate, notDone } = await maintain(db)
 * console.table(steps) // [{ step: 'roll', object: 'metric_1h', units: 1, rows: 240, ms: 31 }, ...]
 */
export async function maintain<Database>(db: Kysely<Database>, options: MaintainOptions = {}): Promise<MaintainReport> {
  const { schema, lockAttempts = 10, signal, onStep } = options
  const now = parse(
    storableDate.default(() => new Date()),
    options.now,
    'now',
  )
  parse(z.int().min(1).max(100), lockAttempts, 'lockAttempts')
  if (db.isTransaction) {
    throw new InvalidInputError('db', 'must not be a transaction: maintenance is many short ones, give it the connection or pool itself')
  }
  const policies = checkedPolicies(options.policies ?? defaultPolicies)
  signal?.throwIfAborted()
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const work = new Maintenance(plain, installation, await appliedPolicies(plain, installation), { now, lockAttempts, signal, onStep })
  if (installation.timeRung === 'native') {
    for (const table of policies.time.flatMap(cutTables)) await work.partition(table)
  }
  for (const policy of policies.time) await work.roll(policy)
  if (installation.timeRung !== 'community') {
    for (const table of policies.time.flatMap(cutTables)) await work.drop(table)
  }
  await work.expire()
  return work.report()
}

/** The tables that a policy cuts into chunks: the one it is about, and where its rollups lie. */
function cutTables({ table, chunk, rollups }: TimePolicy): ExpiringTable[] {
  const all = [
    { name: table, table, chunk },
    ...rollups.map(({ rollup }) => ({ name: rollup.name, table: storedTable(rollup), chunk: rollup.chunk })),
  ]
  return all.map((cut, at) => ({ ...cut, rollup: rollups[at]?.rollup ?? null }))
}

class Maintenance {
  readonly #db: Kysely<{}>
  readonly #installation: Installation
  readonly #applied: readonly AppliedPolicy[]
  readonly #now: Date
  readonly #lockAttempts: number
  readonly #signal: AbortSignal | undefined
  readonly #onStep: MaintainOptions['onStep']
  readonly #steps: MaintenanceStep[] = []
  readonly #tooLate: TooLate[] = []
  readonly #notDone: NotDone[] = []

  constructor(
    db: Kysely<{}>,
    installation: Installation,
    applied: readonly AppliedPolicy[],
    { now, lockAttempts, signal, onStep }: { now: Date; lockAttempts: number } & Pick<MaintainOptions, 'signal' | 'onStep'>,
  ) {
    this.#db = db
    this.#installation = installation
    this.#applied = applied
    this.#now = now
    this.#lockAttempts = lockAttempts
    this.#signal = signal
    this.#onStep = onStep
  }

  report(): MaintainReport {
    return { steps: this.#steps, tooLate: this.#tooLate, notDone: this.#notDone }
  }

  /** Rows that were waiting for a partition first, those of the future after: by then the default partition is empty, and attaching reads all of it. */
  async partition(cut: ExpiringTable): Promise<void> {
    const expired = this.#expiredBefore(cut.name)
    const strays = await strayChunks(this.#db, this.#installation, cut)
    const current = chunkNumber(cut.chunk, this.#now)
    const ahead = [-1, 0, 1, 2].map((offset) => chunkStretch(cut.chunk, current + offset))
    // What is about to be dropped gets no partition to be dropped with.
    await this.#partition(
      cut,
      [...strays, ...ahead].filter(({ to }) => expired === null || to > expired),
    )
  }

  async #partition(cut: Pick<ExpiringTable, 'table'>, stretches: readonly Stretch[]): Promise<void> {
    for (const stretch of stretches) {
      for (const part of uncovered(stretch, await partitionsOf(this.#db, this.#installation, cut.table))) {
        const began = this.#begin()
        const attempted = await addPartition(this.#db, this.#installation, cut.table, part, this.#locks(cut.table))
        if (!attempted.done) this.#locked('partition', cut.table, part, attempted.attempts)
        else if (attempted.result !== null) this.#did('partition', cut.table, part, attempted.result, began)
      }
    }
  }

  /** The finer before the coarser, which is made from it. */
  async roll({ table, chunk, rollups }: TimePolicy): Promise<void> {
    let source = { name: table, chunk }
    for (const policy of rollups) {
      if (this.#installation.timeRung === 'community') await this.#refresh(policy, source)
      else await this.#rollStale(policy)
      source = policy.rollup
    }
  }

  async #rollStale({ rollup, settle }: RollupPolicy): Promise<void> {
    const horizon = rollHorizon(rollup, this.#settleOf(rollup.name) ?? settle, this.#now)
    if (this.#installation.timeRung === 'native') {
      // Else what is rolled would lie in the default partition, to be moved by the next run.
      const expired = this.#expiredBefore(rollup.name)
      const chunks = await staleChunks(this.#db, this.#installation, rollup, horizon)
      await this.#partition(
        { table: storedTable(rollup) },
        chunks.filter(({ to }) => expired === null || to > expired),
      )
    }
    await summarizeNewRows(this.#db, this.#installation, rollup.source, { signal: this.#signal })
    for (let from: Date | null = null; ;) {
      const began = this.#begin()
      const unit = await rollNextUnit(this.#db, this.#installation, rollup, { from, horizon })
      if (unit === null) return
      this.#tooLate.push(...unit.tooLate.map((bucket) => ({ rollup: rollup.name, bucket })))
      if (unit.buckets > 0) this.#did('roll', rollup.name, unit.stretch, unit.rows, began)
      from = unit.stretch.to
    }
  }

  /** What lies before the window of the server's job: later than that it is rolled by the job, unless there is none. */
  async #refresh({ rollup, settle }: RollupPolicy, source: { name: string; chunk: string }): Promise<void> {
    const job = this.#applied.find((policy) => policy.kind === 'refresh' && policy.object === rollup.name)
    const to =
      job?.kind === 'refresh'
        ? bucketFrom(rollup, new Date(this.#now.getTime() - milliseconds(job.settings.start)))
        : rollHorizon(rollup, settle, this.#now)
    const closed = await this.#closedBefore(source)
    const from = closed === null ? null : bucketFrom(rollup, closed)
    if (from === null || from < to) {
      const began = this.#begin()
      const invalid = await invalidStretches(this.#db, this.#installation, rollup, { from, to })
      if (invalid.length > 0) {
        await refreshAggregate(this.#db, this.#installation, rollup, { from, to })
        this.#did('refresh', rollup.name, { from, to }, null, began)
      }
    }
    if (from === null) return
    const { open, tooLate } = await closedBuckets(this.#db, this.#installation, rollup, from)
    for (const run of open) {
      const began = this.#begin()
      await refreshAggregate(this.#db, this.#installation, rollup, run)
      this.#did('refresh', rollup.name, run, null, began)
    }
    this.#tooLate.push(...tooLate.map((bucket) => ({ rollup: rollup.name, bucket })))
  }

  async drop(cut: ExpiringTable): Promise<void> {
    const before = this.#expiredBefore(cut.name)
    if (before === null) return
    for (const chunk of await expiredChunks(this.#db, this.#installation, cut, before)) {
      const began = this.#begin()
      const attempted = await dropExpired(this.#db, this.#installation, cut, chunk, this.#locks(cut.table))
      const stretch = { from: chunk.from, to: chunk.to }
      if (!attempted.done) {
        this.#locked('drop', cut.table, stretch, attempted.attempts)
        continue
      }
      const { outcome, rows } = attempted.result
      if (outcome === 'dropped') this.#did('drop', cut.table, stretch, rows, began)
      if (outcome === 'stale')
        this.#notDone.push({ step: 'drop', object: cut.table, ...stretch, why: 'stale', attempts: attempted.attempts })
    }
  }

  async expire(): Promise<void> {
    const events = this.#expiredBefore('event_envelope')
    if (events !== null) {
      const { rows } = await sql<{ tenant: string }>`
        select tenant_id::text as tenant from ${sql.id(this.#installation.schema, 'dim_tenant')} order by tenant_id
      `.execute(this.#db)
      for (const { tenant } of rows) {
        for (let next: EventCursor | null | undefined; next !== null;) {
          const began = this.#begin()
          const deleted = await expireEvents(this.#db, this.#installation, tenant, events, next ?? null)
          if (deleted.events > 0) this.#did('expire', 'event_envelope', { from: null, to: events }, deleted.events, began)
          next = deleted.next
        }
      }
    }
    const locators = this.#expiredBefore('oo_locator')
    if (locators === null) return
    for (const dataset of locatorDatasets) {
      for (let next: LocatorCursor | null | undefined; next !== null;) {
        const began = this.#begin()
        const deleted = await expireLocators(this.#db, this.#installation, dataset, locators, next ?? null)
        if (deleted.locators > 0) this.#did('expire', 'oo_locator', { from: null, to: locators }, deleted.locators, began)
        next = deleted.next
      }
    }
  }

  /** Null where no retention was applied. */
  #expiredBefore(object: string): Date | null {
    const policy = this.#applied.find((applied) => applied.kind === 'retention' && applied.object === object)
    return policy?.kind === 'retention' ? new Date(this.#now.getTime() - milliseconds(policy.settings.retain)) : null
  }

  /**
   * The server drops chunks that ended before the retention began: nothing after the last end of one before that. A retention that was shorter before
   * has dropped more, and it was noted when it was changed.
   */
  async #closedBefore({ name, chunk }: { name: string; chunk: string }): Promise<Date | null> {
    const { rows } = await sql<{ dropped: Date | null }>`
      select nullif(dropped_before, '-infinity') as dropped from ${sql.id(this.#installation.schema, 'pgvantage_time_table')} where name = ${name}
    `.execute(this.#db)
    const noted = rows[0]?.dropped ?? null
    const before = this.#expiredBefore(name)
    const closed = before === null ? null : chunkStretch(chunk, chunkNumber(chunk, before)).from
    return closed === null || (noted !== null && noted > closed) ? noted : closed
  }

  #settleOf(object: string): string | undefined {
    const policy = this.#applied.find((applied) => applied.kind === 'refresh' && applied.object === object)
    return policy?.kind === 'refresh' ? policy.settings.settle : undefined
  }

  /** Whoever keeps a table locked through all attempts at one of its chunks is asked but once for the others. */
  #locks(table: string): ShortLockOptions {
    const given = this.#notDone.some(({ object, why }) => object === table && why === 'locked')
    return { attempts: given ? 1 : this.#lockAttempts, signal: this.#signal }
  }

  #locked(step: MaintenanceKind, object: string, { from, to }: Stretch, attempts: number): void {
    this.#notDone.push({ step, object, from, to, why: 'locked', attempts })
  }

  #begin(): number {
    this.#signal?.throwIfAborted()
    return performance.now()
  }

  #did(
    step: MaintenanceKind,
    object: string,
    { from, to }: { from: Date | null; to: Date | null },
    rows: number | null,
    began: number,
  ): void {
    const ms = performance.now() - began
    const at = this.#steps.findIndex((known) => known.step === step && known.object === object)
    const known = at < 0 ? { units: 0, rows: 0, ms: 0 } : this.#steps[at]!
    const sum = {
      step,
      object,
      units: known.units + 1,
      rows: rows === null || known.rows === null ? null : known.rows + rows,
      ms: known.ms + ms,
    }
    if (at < 0) this.#steps.push(sum)
    else this.#steps[at] = sum
    this.#onStep?.({ step, object, from, to, rows, ms })
  }
}
