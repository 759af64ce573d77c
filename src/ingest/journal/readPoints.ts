import { storable } from '../../logs/pattern.ts'
import { pointsOf, type OtlpMetric, type OtlpPayload } from '../../schema/otlp.ts'
import { formOf } from '../records/metricForm.ts'
import { minuteMilliseconds } from '../rollups/windows/ingestWindow.ts'
import type { RollUpReport } from '../rollups/windows/rollUpReport.ts'
import type { Arrival } from './batch.ts'
import { refuse } from './refused.ts'

/** The longest metric name that is stored, in bytes of UTF-8. */
const maxMetricName = 255

/** Reads the metric points of a request into the parts of their windows. */
export function readPoints(
  resourceMetrics: OtlpPayload['resourceMetrics'],
  { report, clock, origin, line, reporterOf, partOf }: Arrival,
): void {
  for (const { resource, scopeMetrics } of resourceMetrics ?? []) {
    const total = scopeMetrics.reduce((sum, { metrics }) => metrics.reduce((points, metric) => points + pointsOf(metric).length, sum), 0)
    report.metricPoints += total
    const reporter = reporterOf(resource.attributes, 'metrics', total)
    if (reporter === null) continue
    for (const { scope, metrics } of scopeMetrics) {
      const identity = JSON.stringify([reporter.identity, scope?.name ?? '', scope?.version ?? ''])
      for (const metric of metrics) {
        const form = usableForm(metric, report)
        if (form === null) continue
        for (const point of form.points) {
          if (!point.timeUnixNano) {
            report.untimedRecords += 1
            continue
          }
          const time = clock.milliseconds(point.timeUnixNano)
          const part = partOf('metrics', reporter.resource.urn, time)
          if (part === undefined) continue
          const times = {
            minute: Math.floor(time / minuteMilliseconds),
            time: clock.precise(point.timeUnixNano),
            start: point.startTimeUnixNano ? clock.precise(point.startTimeUnixNano) : 0,
          }
          if (
            !part.metrics.add(metric, form, { urn: reporter.resource.urn, identity, seriesLabels: reporter.seriesLabels }, point, times)
          ) {
            report.unusablePoints += 1
            continue
          }
          if (!metric.unit) report.pointsWithoutUnit += 1
          part.report(reporter.resource, time)
          part.locators.add('metrics', origin, line)
        }
      }
    }
  }
}

/**
 * The form of a metric's points. Null if they cannot be used or the metric's name cannot be stored;
 * the points are then counted.
 */
function usableForm(metric: OtlpMetric, report: RollUpReport): ReturnType<typeof formOf> {
  const form = formOf(metric)
  if (form === null) {
    report.unusablePoints += pointsOf(metric).length
    return null
  }
  // Measured as stored: the replacement of a NUL is longer than the NUL.
  if (metric.name !== '' && Buffer.byteLength(storable(metric.name)) <= maxMetricName) return form
  refuse(report, metric.name === '' ? 'metric name is empty' : `metric name is longer than ${maxMetricName} bytes`, form.points.length)
  return null
}
