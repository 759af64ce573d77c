import type { OtlpPayload } from '../../../schema/otlp.ts'
import type { PatternRow } from '../windows/ingestWindow.ts'
import type { LocatorIndex } from '../windows/locatorTally.ts'
import type { OpenWindow } from '../windows/openWindow.ts'
import type { Arrival } from '../windows/openWindows.ts'
import { PerWindow } from '../windows/perWindow.ts'
import { reporterOf } from '../windows/refused.ts'
import type { RollUpReport } from '../windows/rollUpReport.ts'
import type { TelemetryClock } from '../windows/telemetryClock.ts'
import { PatternTally } from './patternTally.ts'

/**
 * Rolls log records up to five minutes of counts of their patterns. What is a pattern: see
 * `patternOf`.
 */
export class LogsToPatterns {
  readonly #clock: TelemetryClock
  readonly #report: RollUpReport
  readonly #tallies = new PerWindow(() => new PatternTally())

  constructor(clock: TelemetryClock, report: RollUpReport) {
    this.#clock = clock
    this.#report = report
  }

  add(resourceLogs: OtlpPayload['resourceLogs'], { origin, line, windowOf }: Arrival): void {
    for (const { resource, scopeLogs } of resourceLogs ?? []) {
      const records = scopeLogs.flatMap((scope) => scope.logRecords)
      this.#report.logRecords += records.length
      const reporter = reporterOf(this.#report, resource.attributes, 'logs', records.length)
      if (reporter === null) continue
      for (const record of records) {
        const nanoseconds = record.timeUnixNano || record.observedTimeUnixNano
        if (!nanoseconds) {
          this.#report.untimedRecords += 1
          continue
        }
        const time = this.#clock.milliseconds(nanoseconds)
        const window = windowOf(time)
        if (window === undefined) continue
        this.#tallies.of(window).add(reporter.resource.urn, record, time, origin)
        window.mention(reporter.resource)
        window.locators.add('logs', origin, line)
      }
    }
  }

  /** The rows of a window that closes. */
  close(window: OpenWindow, indexOf: LocatorIndex): PatternRow[] {
    return this.#tallies.take(window).rows(window.from, indexOf)
  }
}
