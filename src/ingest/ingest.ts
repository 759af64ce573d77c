import type { Readable } from 'node:stream'
import { sql } from 'kysely'
import { z } from 'zod'
import { durationText, milliseconds } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { parseOptions } from '../schema/parse.ts'
import { batches } from './journal/batches.ts'
import { DatabaseJournal } from './journal/databaseJournal.ts'
import { rollJournal } from './journal/rollJournal.ts'
import { latestBelievable, TelemetryClock } from './journal/telemetryClock.ts'
import { DimensionValues } from './records/dimensionValues.ts'
import { dimensionOptions, hashKeyGiven, type DimensionOptions } from './records/dimension.ts'
import type { ResourceOf } from './records/resourceOf.ts'
import type { MalformedLine, OtlpRequest, SourceObject } from './sources/otlpRequest.ts'
import { nameOfSource, readOtlp, type RefusedInput } from './sources/readOtlp.ts'
import type { RequestFormat } from './sources/requestFormat.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'
import type { Dataset } from './rollups/windows/locatorTally.ts'
import { addReport, emptyReport, type RollUpReport } from './rollups/windows/rollUpReport.ts'
import { keptSince } from './writer/tooOld.ts'

/** Where telemetry comes from: a file's path, or a stream of its bytes. */
export type OtlpSource = string | Readable | AsyncIterable<string | Uint8Array>

/** One of several sources that are loaded as one. */
export interface PlacedSource {
  source: OtlpSource
  /** What locators name as the place of its records; a file's own folder and name unless given. */
  origin?: SourceObject
}

export interface IngestOptions extends DimensionOptions {
  /**
   * How long a window waits for late records: a PostgreSQL interval. It closes when the newest
   * record of its resource is so long past its end, and nothing was added to it for so long; or
   * nothing was added for four times as long. A call that takes longer counts when it ends.
   * Default: `'15 minutes'`.
   */
  horizon?: string
  /**
   * How many bytes of compact records the database keeps for windows that are open; beyond that the
   * oldest close early. Default: 268,435,456.
   */
  maxJournalBytes?: number
  /** Milliseconds added to every time. */
  shiftMs?: number
  /**
   * Names resources where the default rules do not fit: see `ResourceOf`. It must answer the same
   * whenever it is asked the same.
   */
  resourceOf?: ResourceOf
  /**
   * Also loads what is older than its table keeps: history that is to be rolled up before it is
   * dropped. Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
  /** Told of everything that is no export request. */
  onMalformed?: (malformed: MalformedLine) => void
  /** Told of the records of a request that are not read, since a field is wrong. */
  onRefused?: (refused: RefusedInput) => void
  /** Told after each window has been committed. */
  onWindow?: (window: IngestWindow, report: IngestReport) => void
  /**
   * What locators name as the place of the records, where it is not the file's own folder and name.
   */
  origin?: SourceObject
  /** What the requests are, where their bytes are not to tell: see `readOtlp`. */
  format?: RequestFormat
}

/** What is only passed on is checked where it is used. */
const ingestOptions = z
  .strictObject({
    horizon: durationText.default('15 minutes'),
    maxJournalBytes: z
      .int()
      .min(1)
      .default(256 * 1024 * 1024),
    shiftMs: z.custom<number>((value) => Number.isSafeInteger(value), 'must be a whole number of milliseconds').default(0),
    acceptOld: z.boolean().default(false),
    resourceOf: z.custom<ResourceOf>((value) => typeof value === 'function', 'must be a function').optional(),
    ...dimensionOptions,
    signal: z.instanceof(AbortSignal).optional(),
    onMalformed: z.custom<IngestOptions['onMalformed']>().optional(),
    onRefused: z.custom<IngestOptions['onRefused']>().optional(),
    onWindow: z.custom<IngestOptions['onWindow']>().optional(),
    origin: z.custom<SourceObject>().optional(),
    format: z.custom<RequestFormat>().optional(),
  })
  .superRefine(hashKeyGiven)

/** What became of everything that was read. */
export interface IngestReport extends RollUpReport {
  /** Pieces of the input that are no export request. */
  malformed: number
  /** The sources in which no export request was found, by name: that of a file, or its `objectKey`. */
  withoutRequests: string[]
  /** Windows of a resource that closed: what comes for them now is late. */
  closedWindows: number
  /** Of these, those that closed early, since the journal had grown too large. */
  closedEarly: number
  /** What the journal holds for the windows that are open. */
  journal: { bytes: number; windows: number; since: Date | null }
}

/**
 * Loads telemetry: reads OTLP in JSON or protobuf, keeps compact records of it in the database's
 * journal, and writes the rows of each window in one transaction, in constant memory.
 *
 * **However the input is cut, the rows are the same**: in files one by one or together, in any
 * order, by several processes at once, the same file twice. A window is rolled up again from its
 * journal until it closes (`horizon`); what comes for it then is late: counted by kind and
 * resource, and dropped. A window that was never opened opens however old it is, as long as its
 * tables keep it.
 *
 * Stopped anywhere and run again from the beginning, it leaves exactly the rows of one clean run.
 * The rows show what was read when the input ends; of an input that lasts, every minute.
 *
 * @example
 * const report = await ingest(scope, 'telemetry.jsonl.gz', {
 *   onMalformed: ({ file, line, reason }) => console.warn(`${file}:${line}: ${reason}`),
 * })
 * console.log(report.windows, report.malformed, report.records.traces)
 *
 * // insert into "public"."ingest_journal" (tenant_id, dataset, window_start, digest, requests,
 * //   records, payload) values (...)
 * // and, window by window, what `writeRollups` shows
 *
 * @param source a file's path, or a stream of its bytes. Or several, read one after the other. Of
 * none, what others left is rolled up, and windows close.
 * @throws InvalidInputError when an option is wrong, or the scope's transaction is not READ
 * COMMITTED; the signal's reason when aborted (what was added to the journal stays, and the next
 * run rolls it up); what `readOtlp` and `writeRollups` throw.
 */
export async function ingest(
  scope: Scope,
  source: OtlpSource | readonly PlacedSource[],
  options: IngestOptions = {},
): Promise<IngestReport> {
  const {
    horizon: duration,
    maxJournalBytes,
    shiftMs,
    resourceOf,
    dimensions: counted,
    hashKey,
    acceptOld,
    signal,
    onWindow,
    ...reading
  } = parseOptions(ingestOptions, options)
  const horizon = milliseconds(duration)
  const report: IngestReport = {
    ...emptyReport(),
    malformed: 0,
    withoutRequests: [],
    closedWindows: 0,
    closedEarly: 0,
    journal: { bytes: 0, windows: 0, since: null },
  }
  const placed: readonly PlacedSource[] = isSeveral(source) ? source : [{ source, origin: reading.origin }]
  await assertReadCommitted(scope.db, 'ingest')
  const journal = new DatabaseJournal(scope)
  const clock = new TelemetryClock(shiftMs)
  const dimensions = new DimensionValues(counted, hashKey)
  // Each time: an input may last for weeks.
  const rulesNow = () =>
    inTransaction(scope.db, async (db) => ({
      clock,
      horizon,
      resourceOf,
      dimensions,
      latest: latestBelievable(Date.now(), await clockOf({ ...scope, db })),
      oldest: acceptOld ? new Map<Dataset, number>() : await oldestKept({ ...scope, db }),
    }))
  const rollUp = async () => {
    for await (const { window, counts } of rollJournal(journal, { horizon, signal })) {
      addReport(report, counts)
      onWindow?.(window, report)
    }
    const { windows, early } = await journal.close({ horizon, maxBytes: maxJournalBytes })
    report.closedWindows += windows
    report.closedEarly += early
  }
  let rolledAt = performance.now()
  for await (const batch of batches(requestsOf(placed, { ...reading, signal }, report))) {
    signal?.throwIfAborted()
    if (batch.length > 0) addReport(report, await journal.append(batch, await rulesNow()))
    if (performance.now() - rolledAt < rollEvery && (await journal.size()).bytes <= maxJournalBytes) continue
    await rollUp()
    rolledAt = performance.now()
  }
  signal?.throwIfAborted()
  await rollUp()
  report.journal = await journal.size()
  return report
}

/** An input that goes on for longer is rolled up in between, so often, in milliseconds. */
const rollEvery = 60_000

/** The requests of all sources, one source after the other; each is opened when it is its turn. */
async function* requestsOf(
  sources: readonly PlacedSource[],
  { signal, onMalformed, onRefused, format }: Pick<IngestOptions, 'signal' | 'onMalformed' | 'onRefused' | 'format'>,
  report: IngestReport,
): AsyncGenerator<OtlpRequest> {
  for (const { source, origin } of sources) {
    let found = false
    const requests = readOtlp(source, {
      signal,
      format,
      origin,
      onRefused,
      onMalformed: (malformed) => {
        report.malformed += 1
        onMalformed?.(malformed)
      },
    })
    for await (const request of requests) {
      found = true
      yield request
    }
    if (!found) report.withoutRequests.push(nameOfSource(source, origin))
  }
}

async function clockOf({ db }: Scope): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select pg_catalog.clock_timestamp() as now`.execute(db)
  return rows[0]!.now.getTime()
}

/** From when on telemetry is kept, in milliseconds. */
async function oldestKept(scope: Scope): Promise<Map<Dataset, number>> {
  const { metrics, calls, patterns } = await keptSince(scope)
  const bounds = [
    ['metrics', metrics],
    ['traces', calls],
    ['logs', patterns],
  ] as const
  return new Map(bounds.flatMap(([dataset, since]) => (since === null ? [] : [[dataset, since.getTime()] as const])))
}

const isSeveral = (source: OtlpSource | readonly PlacedSource[]): source is readonly PlacedSource[] => Array.isArray(source)
