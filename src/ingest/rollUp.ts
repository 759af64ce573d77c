import { z } from 'zod'
import { durationText, milliseconds } from '../database/range.ts'
import { parseOptions } from '../schema/parse.ts'
import { batches } from './journal/batches.ts'
import { MemoryJournal } from './journal/memoryJournal.ts'
import { rollJournal } from './journal/rollJournal.ts'
import { latestBelievable, TelemetryClock } from './journal/telemetryClock.ts'
import { DimensionValues } from './records/dimensionValues.ts'
import { messageOptions, type MessageOptions } from './records/logMessage.ts'
import { dimensionOptions, hashKeyGiven, type DimensionOptions } from './records/dimension.ts'
import type { ResourceOf } from './records/resourceOf.ts'
import type { OtlpRequest } from './sources/otlpRequest.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'
import { addReport, emptyReport, type RollUpReport } from './rollups/windows/rollUpReport.ts'

export interface RollUpOptions extends DimensionOptions, MessageOptions {
  /**
   * A call that takes longer than this counts when it ends: a PostgreSQL interval. Default: `'15
   * minutes'`.
   */
  horizon?: string
  /**
   * Milliseconds added to every time, to replay a recording at another time. With multiples of
   * 300,000 the records of a window stay together. Default: 0.
   */
  shiftMs?: number
  /**
   * Names resources where the default rules do not fit: see `ResourceOf`. It must return the same
   * name for the same input.
   */
  resourceOf?: ResourceOf
  signal?: AbortSignal
  /** Filled while records are read: pass `emptyReport()`, and read it at any time. */
  report?: RollUpReport
}

const rollUpOptions = z
  .strictObject({
    horizon: durationText.default('15 minutes'),
    shiftMs: z.custom<number>((value) => Number.isSafeInteger(value), 'must be a whole number of milliseconds').default(0),
    resourceOf: z.custom<ResourceOf>((value) => typeof value === 'function', 'must be a function').optional(),
    ...dimensionOptions,
    ...messageOptions,
    signal: z.instanceof(AbortSignal).optional(),
    // The caller's own object, since it is updated while records are read.
    report: z.custom<RollUpReport>((value) => typeof value === 'object' && value !== null, 'must be a report').optional(),
  })
  .superRefine(hashKeyGiven)

/** Few: requests that are kept while others are read cost most of the garbage collector's time. */
const recordsAtOnce = 500

/** The memory for records that wait to be rolled up, in bytes of compact, compressed records. */
const maxBytes = 64 * 1024 * 1024

/**
 * Rolls telemetry up into the rows of five-minute windows, in memory.
 *
 * | telemetry | rows | in detail |
 * |---|---|---|
 * | spans | calls between resources, by five minutes | `SpanJoin` |
 * | metric points | one for each metric, resource and set of labels, by the minute | `CumulativeSeries`, `recordDistribution` |
 * | log records | counts of masked lines, by five minutes | what the body says (`messageFields`), masked; the writer finds the patterns |
 * | values of `dimensions` | their sketches, by five minutes | `Dimension` |
 *
 * The windows are yielded at the end of the input, in order of time. They do not depend on the
 * order of the requests. Until then compact records are kept, at most 64 MB (about ten million
 * spans). Beyond that the oldest windows are yielded and close; later records for them are late,
 * counted and dropped. `ingest` keeps the records in the database, where all processes share them.
 *
 * | | |
 * |---|---|
 * | duplicates | a request with the same bytes, a span with the same id, and a second point of one series and time count once |
 * | wrong clocks | a record more than a day in the future is dropped and counted; any other counts at its own time |
 *
 * @example
 * const report = emptyReport()
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'), { report })) {
 *   console.log(window.from, window.calls.length)
 * }
 * console.log(report.records.traces)
 *
 * @throws InvalidInputError if an option is wrong; the signal's reason if aborted.
 */
export async function* rollUp(
  requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>,
  options: RollUpOptions = {},
): AsyncGenerator<IngestWindow, RollUpReport> {
  const {
    horizon: duration,
    shiftMs,
    resourceOf,
    dimensions: counted,
    messageFields,
    parameters,
    hashKey,
    signal,
    report = emptyReport(),
  } = parseOptions(rollUpOptions, options)
  const dimensions = new DimensionValues(counted, hashKey)
  const horizon = milliseconds(duration)
  const journal = new MemoryJournal()
  const rules = {
    clock: new TelemetryClock(shiftMs),
    horizon,
    resourceOf,
    dimensions,
    messages: { messageFields, parameters },
    latest: latestBelievable(Date.now()),
    oldest: new Map(),
  }
  async function* rolled(): AsyncGenerator<IngestWindow> {
    for await (const { window, counts } of rollJournal(journal, { horizon, signal })) {
      addReport(report, counts)
      yield window
      signal?.throwIfAborted()
    }
  }
  for await (const few of batches(requests, { most: recordsAtOnce })) {
    signal?.throwIfAborted()
    addReport(report, journal.append(few, rules))
    if (journal.bytes <= maxBytes) continue
    addReport(report, journal.flush())
    yield* rolled()
    await journal.closeOldest(maxBytes, horizon)
  }
  signal?.throwIfAborted()
  addReport(report, journal.flush())
  yield* rolled()
  return report
}
