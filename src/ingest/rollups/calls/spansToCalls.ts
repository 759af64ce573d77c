import type { OtlpPayload } from '../../../schema/otlp.ts'
import { spanRecord, type SpanRecord } from '../../records/spanRecord.ts'
import { windowMilliseconds, type CallRow } from '../windows/ingestWindow.ts'
import type { LocatorIndex } from '../windows/locatorTally.ts'
import type { OpenWindow } from '../windows/openWindow.ts'
import type { Arrival } from '../windows/openWindows.ts'
import { PerWindow } from '../windows/perWindow.ts'
import { readOrRefuse, reporterOf } from '../windows/refused.ts'
import type { RollUpReport } from '../windows/rollUpReport.ts'
import type { TelemetryClock } from '../windows/telemetryClock.ts'
import { callRows } from './callRows.ts'
import { SpanJoin } from './spanJoin.ts'

/** Rolls spans up to five minutes of calls between resources. What is a call: see `SpanJoin`. */
export class SpansToCalls {
  readonly #clock: TelemetryClock
  readonly #report: RollUpReport
  readonly #join = new SpanJoin()
  readonly #spans = new PerWindow<SpanRecord[]>(() => [])
  /** The spans of the last windows that closed: they recognise callees that come late. */
  #closed: { from: number; spans: readonly SpanRecord[] }[] = []

  constructor(clock: TelemetryClock, report: RollUpReport) {
    this.#clock = clock
    this.#report = report
  }

  add(resourceSpans: OtlpPayload['resourceSpans'], { origin, line, windowOf }: Arrival): void {
    for (const { resource, scopeSpans } of resourceSpans ?? []) {
      const spans = scopeSpans.flatMap((scope) => scope.spans)
      this.#report.spans += spans.length
      const reporter = reporterOf(this.#report, resource.attributes, 'traces', spans.length)
      if (reporter === null) continue
      for (const span of spans) {
        const { startTimeUnixNano: start, endTimeUnixNano: end } = span
        if (!start || !end) {
          this.#report.untimedRecords += 1
          continue
        }
        if (end < start) {
          this.#report.negativeSpans += 1
          continue
        }
        const window = windowOf(this.#clock.milliseconds(start))
        if (window === undefined) continue
        if (span.traceId === '' || span.spanId === '') this.#report.spansWithoutId += 1
        const times = { start: this.#clock.precise(start), duration: Number(end - start) / 1e6 }
        const record = readOrRefuse(this.#report, 1, () => spanRecord(span, reporter, times, origin))
        if (record === null) continue
        if (!this.#join.add(record)) {
          this.#report.duplicateRecords += 1
          continue
        }
        this.#spans.of(window).push(record)
        window.mention(reporter.resource)
        window.locators.add('traces', origin, line)
      }
    }
  }

  /**
   * The rows of a window that closes, its resources mentioned. Windows close in the order of time.
   */
  close(window: OpenWindow, indexOf: LocatorIndex): CallRow[] {
    const spans = this.#spans.take(window)
    const calls = this.#join.settle(spans, this.#report)
    for (const { src, dst } of calls) {
      window.mention(src)
      window.mention(dst)
    }
    this.#closed.push({ from: window.from, spans })
    const oldest = window.from - windowMilliseconds
    for (const closed of this.#closed) if (closed.from < oldest) this.#join.remove(closed.spans)
    this.#closed = this.#closed.filter(({ from }) => from >= oldest)
    return callRows(calls, window.from, indexOf)
  }
}
