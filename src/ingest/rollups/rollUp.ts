import { z } from 'zod'
import { durationText, milliseconds } from '../../database/range.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'
import { SpansToCalls } from './calls/spansToCalls.ts'
import { PointsToMinutes } from './metrics/pointsToMinutes.ts'
import { LogsToPatterns } from './patterns/logsToPatterns.ts'
import { windowMilliseconds, type IngestWindow } from './windows/ingestWindow.ts'
import type { OpenWindow } from './windows/openWindow.ts'
import { OpenWindows } from './windows/openWindows.ts'
import { refuse } from './windows/refused.ts'
import { RequestGate } from './windows/requestGate.ts'
import { emptyReport, type RollUpReport } from './windows/rollUpReport.ts'
import { TelemetryClock } from './windows/telemetryClock.ts'

export interface RollUpOptions {
  /**
   * How long a window waits for records after the newest record has passed its end: a PostgreSQL
   * interval. Default: `'2 minutes'`.
   */
  lateness?: string
  /**
   * Milliseconds added to every time: a recording replayed as if it were now. Multiples of 300,000
   * leave each record in the window of its neighbours. Default: 0.
   */
  shiftMs?: number
  signal?: AbortSignal
  /** Filled as records are read: give `emptyReport()`, and look at it at any time. */
  report?: RollUpReport
}

const rollUpOptions = z.strictObject({
  lateness: durationText.default('2 minutes'),
  shiftMs: z.custom<number>((value) => Number.isSafeInteger(value), 'must be a whole number of milliseconds').default(0),
  signal: z.instanceof(AbortSignal).optional(),
  // As it came: what is read is counted in it.
  report: z.custom<RollUpReport>((value) => typeof value === 'object' && value !== null, 'must be a report').optional(),
})

/**
 * Rolls telemetry up into the rows of five-minute windows, one window after the other in the order
 * of time.
 *
 * | telemetry | rows | in detail |
 * |---|---|---|
 * | spans | calls between resources, by five minutes | `SpanJoin` |
 * | metric points | one for each metric, resource and set of labels, by the minute | `CumulativeSeries`, `recordDistribution` |
 * | log records | counts of their patterns, by five minutes | `patternOf` |
 *
 * **Late.** A window closes when a record `lateness` past its end has been read, or at the end of
 * the input. Records of a closed window are counted as late and dropped: what was written is never
 * replaced by less. So the order of requests does not matter, as long as no record comes more than
 * `lateness` after a younger one. A span's time is its start: a call that takes longer than
 * `lateness` can be late.
 *
 * **Twice.** A request whose bytes came before, a span whose id came before and a second point of
 * one series and time count once.
 *
 * **Broken clocks.** A record more than a day ahead of all others is dropped and counted, so that
 * one broken clock does not close everybody's windows. Eight requests in a row that far ahead are a
 * gap in the data: time goes on after it.
 *
 * Streaming: in memory are the open windows and the last points of cumulative series.
 *
 * @example
 * const report = emptyReport()
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'), { report })) {
 *   console.log(window.from, window.calls.length)
 * }
 * console.log(report.lateRecords)
 *
 * @throws InvalidInputError when an option is wrong; the signal's reason when aborted.
 */
export async function* rollUp(
  requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>,
  options: RollUpOptions = {},
): AsyncGenerator<IngestWindow, RollUpReport> {
  const { lateness, shiftMs, signal, report = emptyReport() } = parseOptions(rollUpOptions, options)
  const telemetry = new Telemetry(milliseconds(lateness), new TelemetryClock(shiftMs), report)
  for await (const request of requests) {
    signal?.throwIfAborted()
    for (const admitted of telemetry.admit(request)) {
      telemetry.add(admitted)
      for (const window of telemetry.close()) {
        signal?.throwIfAborted()
        yield window
      }
    }
  }
  for (const admitted of telemetry.admitHeld()) telemetry.add(admitted)
  for (const window of telemetry.close({ all: true })) {
    signal?.throwIfAborted()
    yield window
  }
  return report
}

/**
 * Gives the records of requests to their signals, and makes one window of what these have for it.
 */
class Telemetry {
  readonly #report: RollUpReport
  readonly #gate: RequestGate
  readonly #windows: OpenWindows
  readonly #spans: SpansToCalls
  readonly #points: PointsToMinutes
  readonly #logs: LogsToPatterns

  constructor(lateness: number, clock: TelemetryClock, report: RollUpReport) {
    this.#report = report
    this.#gate = new RequestGate(clock, report)
    this.#windows = new OpenWindows(lateness, report)
    this.#spans = new SpansToCalls(clock, report)
    this.#points = new PointsToMinutes(clock, report)
    this.#logs = new LogsToPatterns(clock, report)
  }

  /** The requests to add now that this one has come. */
  admit(request: OtlpRequest): OtlpRequest[] {
    return this.#gate.admit(request, this.#windows.newest)
  }

  /** The requests to add when no more will come. */
  admitHeld(): OtlpRequest[] {
    return this.#gate.admitHeld()
  }

  add(request: OtlpRequest): void {
    for (const { kind, records, reason } of request.refusedRecords) {
      this.#report[kind] += records
      refuse(this.#report, reason, records)
    }
    this.#windows.take(request, this.#gate.believableTo(this.#windows.newest), (arrival) => {
      this.#spans.add(request.payload.resourceSpans, arrival)
      this.#points.add(request.payload.resourceMetrics, arrival)
      this.#logs.add(request.payload.resourceLogs, arrival)
    })
  }

  /**
   * The windows that no record can enter any more, in the order of time; at the end all of them.
   */
  *close({ all = false } = {}): Generator<IngestWindow> {
    if (!this.#windows.advance(all)) return
    this.#gate.forget(this.#windows.closedTo)
    for (const window of this.#windows.closed()) {
      const finished = this.#finish(window)
      this.#report.windows += 1
      yield finished
    }
  }

  #finish(window: OpenWindow): IngestWindow {
    const { locators, indexOf } = window.locators.locators(window.from)
    const metrics = this.#points.close(window)
    const patterns = this.#logs.close(window, indexOf)
    const calls = this.#spans.close(window, indexOf)
    return {
      from: new Date(window.from),
      to: new Date(window.from + windowMilliseconds),
      // Last: the calls mention who is called.
      resources: window.resources(),
      metrics,
      calls,
      patterns,
      locators,
    }
  }
}
