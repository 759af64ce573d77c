import { sql, type Kysely } from 'kysely'
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
import { strayChunks } from '../lifecycle/strayChunks.ts'
import type { RollupPolicy, TimePolicy } from '../lifecycle/timePolicy.ts'
import { InvalidInputError } from '../schema/errors.ts'
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
  /** The table: `metric_1m`, `metric_1h`, `event_envelope`. */
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
  const { schema, now = new Date(), signal, onStep } = options
  if (db.isTransaction) {
    throw new InvalidInputError('db', 'must not be a transaction: maintenance is many short ones, give it the connection or pool itself')
  }
  if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw new InvalidInputError('now', `must be a valid Date, got ${String(now)}`)
  const policies = checkedPolicies(options.policies ?? defaultPolicies)
  signal?.throwIfAborted()
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const work = new Maintenance(plain, installation, await appliedPolicies(plain, installation), { now, signal, onStep })
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
  readonly #signal: AbortSignal | undefined
  readonly #onStep: MaintainOptions['onStep']
  readonly #steps: MaintenanceStep[] = []
  readonly #tooLate: TooLate[] = []
  readonly #notDone: NotDone[] = []

  constructor(
    db: Kysely<{}>,
    installation: Installation,
    applied: readonly AppliedPolicy[],
    { now, signal, onStep }: { now: Date } & Pick<MaintainOptions, 'signal' | 'onStep'>,
  ) {
    this.#db = db
    this.#installation = installation
    this.#applied = applied
    this.#now = now
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
    for (const stretch of [...strays.filter(({ to }) => expired === null || to > expired), ...ahead]) {
      await this.#partitionAll(cut, stretch)
    }
  }

  async #partitionAll({ table }: ExpiringTable, stretch: Stretch): Promise<void> {
    for (const part of uncovered(stretch, await partitionsOf(this.#db, this.#installation, table))) {
      const began = this.#begin()
      const attempted = await addPartition(this.#db, this.#installation, table, part, { signal: this.#signal })
      if (!attempted.done) this.#notDone.push({ step: 'partition', object: table, ...part, why: 'locked', attempts: attempted.attempts })
      else if (attempted.result !== null) this.#did('partition', table, part, attempted.result, began)
    }
  }

  /** The finer before the coarser, which is made from it. */
  async roll({ table, chunk, retain, rollups }: TimePolicy): Promise<void> {
    let source = { name: table, chunk, retain }
    for (const policy of rollups) {
      if (this.#installation.timeRung === 'community') await this.#refresh(policy, source)
      else await this.#rollStale(policy)
      source = { name: policy.rollup.name, chunk: policy.rollup.chunk, retain: policy.retain }
    }
  }

  async #rollStale({ rollup, settle }: RollupPolicy): Promise<void> {
    const horizon = rollHorizon(rollup, this.#settleOf(rollup.name) ?? settle, this.#now)
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
    const closed = this.#closedBefore(source)
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
      const attempted = await dropExpired(this.#db, this.#installation, cut, chunk, { signal: this.#signal })
      const { from, to } = chunk
      if (attempted.done && attempted.result !== null) {
        this.#did('drop', cut.name, { from, to }, attempted.result, began)
      } else {
        const why = attempted.done ? 'stale' : 'locked'
        this.#notDone.push({ step: 'drop', object: cut.name, from, to, why, attempts: attempted.attempts })
      }
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

  /** The server drops chunks that ended before the retention began: nothing after the last end of one before that. */
  #closedBefore({ name, chunk }: { name: string; chunk: string }): Date | null {
    const before = this.#expiredBefore(name)
    return before === null ? null : chunkStretch(chunk, chunkNumber(chunk, before)).from
  }

  #settleOf(object: string): string | undefined {
    const policy = this.#applied.find((applied) => applied.kind === 'refresh' && applied.object === object)
    return policy?.kind === 'refresh' ? policy.settings.settle : undefined
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
