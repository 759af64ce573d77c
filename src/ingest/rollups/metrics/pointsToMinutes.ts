import { storable } from '../../../logs/pattern.ts'
import { pointsOf, type OtlpMetric, type OtlpPayload } from '../../../schema/otlp.ts'
import { formOf } from '../../records/metricForm.ts'
import { minuteMilliseconds, type MetricRow } from '../windows/ingestWindow.ts'
import type { OpenWindow } from '../windows/openWindow.ts'
import type { Arrival } from '../windows/openWindows.ts'
import { PerWindow } from '../windows/perWindow.ts'
import { refuse, reporterOf } from '../windows/refused.ts'
import type { RollUpReport } from '../windows/rollUpReport.ts'
import type { TelemetryClock } from '../windows/telemetryClock.ts'
import { MetricMemory } from './metricMemory.ts'
import { MetricTally } from './metricTally.ts'

/** The longest metric name that is stored, in bytes of UTF-8. */
const maxMetricName = 255

/**
 * Rolls metric points up to minutes. What a point counts for: see `CumulativeSeries`,
 * `recordDistribution`.
 */
export class PointsToMinutes {
  readonly #clock: TelemetryClock
  readonly #report: RollUpReport
  readonly #memory = new MetricMemory()
  readonly #tallies = new PerWindow(() => new MetricTally())

  constructor(clock: TelemetryClock, report: RollUpReport) {
    this.#clock = clock
    this.#report = report
  }

  add(resourceMetrics: OtlpPayload['resourceMetrics'], { origin, line, windowOf }: Arrival): void {
    for (const { resource, scopeMetrics } of resourceMetrics ?? []) {
      const total = scopeMetrics.reduce((sum, { metrics }) => metrics.reduce((points, metric) => points + pointsOf(metric).length, sum), 0)
      this.#report.metricPoints += total
      const reporter = reporterOf(this.#report, resource.attributes, 'metrics', total)
      if (reporter === null) continue
      for (const { scope, metrics } of scopeMetrics) {
        const identity = JSON.stringify([reporter.identity, scope?.name ?? '', scope?.version ?? ''])
        for (const metric of metrics) {
          const form = this.#formOf(metric)
          if (form === null) continue
          for (const point of form.points) {
            if (!point.timeUnixNano) {
              this.#report.untimedRecords += 1
              continue
            }
            const time = this.#clock.milliseconds(point.timeUnixNano)
            const window = windowOf(time)
            if (window === undefined) continue
            const times = {
              minute: Math.floor(time / minuteMilliseconds),
              time: this.#clock.precise(point.timeUnixNano),
              start: point.startTimeUnixNano ? this.#clock.precise(point.startTimeUnixNano) : 0,
            }
            if (!this.#tallies.of(window).add(metric, form, { urn: reporter.resource.urn, identity }, point, times)) {
              this.#report.unusablePoints += 1
              continue
            }
            if (!metric.unit) this.#report.pointsWithoutUnit += 1
            window.mention(reporter.resource)
            window.locators.add('metrics', origin, line)
          }
        }
      }
    }
  }

  /** The rows of a window that closes. Windows close in the order of time. */
  close(window: OpenWindow): MetricRow[] {
    const rows = this.#tallies.take(window).rows(this.#memory, this.#report)
    this.#memory.forget(window.from)
    return rows
  }

  /**
   * What the metric's points are; null, and the points counted, when they are of no use or its name
   * cannot be stored.
   */
  #formOf(metric: OtlpMetric): ReturnType<typeof formOf> {
    const form = formOf(metric)
    if (form === null) {
      this.#report.unusablePoints += pointsOf(metric).length
      return null
    }
    // As it will be stored: what stands for a NUL is longer than the NUL.
    if (metric.name !== '' && Buffer.byteLength(storable(metric.name)) <= maxMetricName) return form
    refuse(
      this.#report,
      metric.name === '' ? 'metric name is empty' : `metric name is longer than ${maxMetricName} bytes`,
      form.points.length,
    )
    return null
  }
}
