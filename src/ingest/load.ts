import { sql } from 'kysely'
import { milliseconds } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { CompactBatch } from './journal/compactBatch.ts'
import { DatabaseJournal, type Beside } from './journal/databaseJournal.ts'
import { rollJournal } from './journal/rollJournal.ts'
import { latestBelievable, TelemetryClock } from './journal/telemetryClock.ts'
import type { ParsedDimension } from './records/dimension.ts'
import { DimensionValues } from './records/dimensionValues.ts'
import type { MessageOptions } from './records/logMessage.ts'
import type { ResourceOf } from './records/resourceOf.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'
import type { Dataset } from './rollups/windows/locatorTally.ts'
import { addReport } from './rollups/windows/rollUpReport.ts'
import type { OtlpRequest } from './sources/otlpRequest.ts'
import type { IngestReport } from './ingestReport.ts'
import { keptSince } from './writer/tooOld.ts'

/** How records become rows. */
export interface LoadOptions extends MessageOptions {
  dimensions: readonly ParsedDimension[]
  hashKey?: string | undefined
  horizon: string
  maxJournalBytes: number
  shiftMs: number
  acceptOld: boolean
  resourceOf?: ResourceOf | undefined
  signal?: AbortSignal | undefined
  onWindow?: ((window: IngestWindow, report: IngestReport) => void) | undefined
}

/** Adds requests to a tenant's journal, rolls it up, and counts both in a report. */
export class Load {
  readonly report: IngestReport
  readonly #scope: Scope
  readonly #options: LoadOptions
  readonly #horizon: number
  readonly #clock: TelemetryClock
  readonly #dimensions: DimensionValues
  readonly #journal: DatabaseJournal

  constructor(scope: Scope, options: LoadOptions, report: IngestReport) {
    this.report = report
    this.#scope = scope
    this.#options = options
    this.#horizon = milliseconds(options.horizon)
    this.#clock = new TelemetryClock(options.shiftMs)
    this.#dimensions = new DimensionValues(options.dimensions, options.hashKey)
    this.#journal = new DatabaseJournal(scope)
  }

  /** Begins a batch, by the rules of now. */
  async begin(): Promise<CompactBatch> {
    return new CompactBatch(await this.#rulesNow())
  }

  /** @param beside work in the same transaction: see {@link DatabaseJournal.append}. */
  async add(batch: CompactBatch, beside?: Beside): Promise<void> {
    addReport(this.report, await this.#journal.append(batch, beside))
  }

  /** Adds requests that are there already. */
  async append(requests: readonly OtlpRequest[], beside?: Beside): Promise<void> {
    const batch = await this.begin()
    for (const request of requests) batch.add({ request, again: () => request })
    await this.add(batch, beside)
  }

  /** Writes the rows of every window that has something new, and closes those that are due. */
  async rollUp(): Promise<void> {
    const { report } = this
    const { signal, onWindow, maxJournalBytes: maxBytes } = this.#options
    const horizon = this.#horizon
    for await (const { window, counts } of rollJournal(this.#journal, { horizon, signal })) {
      addReport(report, counts)
      onWindow?.(window, report)
    }
    const { windows, early } = await this.#journal.close({ horizon, maxBytes })
    report.closedWindows += windows
    report.closedEarly += early
  }

  /** Whether the journal has become too large to wait for the next time. */
  async isFull(): Promise<boolean> {
    return (await this.#journal.size()).bytes > this.#options.maxJournalBytes
  }

  /** Adds to the report what is known at the end. */
  async settle(): Promise<void> {
    this.report.exploded = Object.assign(Object.create(null), Object.fromEntries(this.#journal.exploded()))
    this.report.journal = await this.#journal.size()
  }

  /** Read each time, since an input may last for weeks. */
  #rulesNow() {
    const { resourceOf, messageFields, parameters, acceptOld } = this.#options
    return inTransaction(this.#scope.db, async (db) => ({
      clock: this.#clock,
      horizon: this.#horizon,
      resourceOf,
      dimensions: this.#dimensions,
      messages: { messageFields, parameters },
      latest: latestBelievable(Date.now(), await clockOf({ ...this.#scope, db })),
      oldest: acceptOld ? new Map<Dataset, number>() : await oldestKept({ ...this.#scope, db }),
    }))
  }
}

async function clockOf({ db }: Scope): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select pg_catalog.clock_timestamp() as now`.execute(db)
  return rows[0]!.now.getTime()
}

/** The oldest times at which telemetry is kept, in milliseconds. */
async function oldestKept(scope: Scope): Promise<Map<Dataset, number>> {
  const { metrics, calls, patterns } = await keptSince(scope)
  const bounds = [
    ['metrics', metrics],
    ['traces', calls],
    ['logs', patterns],
  ] as const
  return new Map(bounds.flatMap(([dataset, since]) => (since === null ? [] : [[dataset, since.getTime()] as const])))
}
