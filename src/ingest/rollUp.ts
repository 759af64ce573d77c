import { z } from 'zod'
import { durationText, milliseconds } from '../database/range.ts'
import { parseOptions } from '../schema/parse.ts'
import { batches } from './journal/batches.ts'
import { MemoryJournal } from './journal/memoryJournal.ts'
import { rollJournal } from './journal/rollJournal.ts'
import { latestBelievable, TelemetryClock } from './journal/telemetryClock.ts'
import { DimensionValues } from './records/dimensionValues.ts'
import { dimensionOptions, hashKeyGiven, type DimensionOptions } from './records/dimension.ts'
import type { ResourceOf } from './records/resourceOf.ts'
import type { OtlpRequest } from './sources/otlpRequest.ts'
import type { IngestWindow } from './rollups/windows/ingestWindow.ts'
import { addReport, emptyReport, type RollUpReport } from './rollups/windows/rollUpReport.ts'

export interface RollUpOptions extends DimensionOptions {
  /**
   * A call that takes longer than this counts when it ends: a PostgreSQL interval. Default: `'15
   * minutes'`.
   */
  horizon?: string
  /**
   * Milliseconds added to every time: a recording replayed as if it were now. Multiples of 300,000
   * leave each record in the window of its neighbours. Default: 0.
   */
  shiftMs?: number
  /**
   * Names resources where the default rules do not fit: see `ResourceOf`. It must answer the same
   * whenever it is asked the same.
   */
  resourceOf?: ResourceOf
  signal?: AbortSignal
  /** Filled as records are read: give `emptyReport()`, and look at it at any time. */
  report?: RollUpReport
}

const rollUpOptions = z
  .strictObject({
    horizon: durationText.default('15 minutes'),
    shiftMs: z.custom<number>((value) => Number.isSafeInteger(value), 'must be a whole number of milliseconds').default(0),
    resourceOf: z.custom<ResourceOf>((value) => typeof value === 'function', 'must be a function').optional(),
    ...dimensionOptions,
    signal: z.instanceof(AbortSignal).optional(),
    // As it came: what is read is counted in it.
    report: z.custom<RollUpReport>((value) => typeof value === 'object' && value !== null, 'must be a report').optional(),
  })
  .superRefine(hashKeyGiven)

/** What is kept in memory until windows are rolled up, in bytes of compact, compressed records. */
const maxBytes = 64 * 1024 * 1024

/**
 * Rolls telemetry up into the rows of five-minute windows, in memory.
 *
 * | telemetry | rows | in detail |
 * |---|---|---|
 * | spans | calls between resources, by five minutes | `SpanJoin` |
 * | metric points | one for each metric, resource and set of labels, by the minute | `CumulativeSeries`, `recordDistribution` |
 * | log records | counts of their patterns, by five minutes | `patternOf` |
 * | values of `dimensions` | their sketches, by five minutes | `Dimension` |
 *
 * The windows come at the end of the input, in the order of time, and are the same in whatever
 * order the requests came. Until then compact records are kept, 64 MB at most (some ten million
 * spans): beyond that the oldest windows come out and close, and what comes for them then is late,
 * counted and dropped. `ingest` keeps them in the database, where all processes see them.
 *
 * **Twice.** A request whose bytes came before, a span whose id came before and a second point of
 * one series and time count once.
 *
 * **Broken clocks.** A record more than a day in the future is dropped and counted. Any other one
 * lands where its clock says.
 *
 * @example
 * const report = emptyReport()
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'), { report })) {
 *   console.log(window.from, window.calls.length)
 * }
 * console.log(report.records.traces)
 *
 * @throws InvalidInputError when an option is wrong; the signal's reason when aborted.
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
  for await (const batch of batches(requests)) {
    signal?.throwIfAborted()
    addReport(report, journal.append(batch, rules))
    if (journal.bytes <= maxBytes) continue
    yield* rolled()
    await journal.closeOldest(maxBytes, horizon)
  }
  signal?.throwIfAborted()
  yield* rolled()
  return report
}
