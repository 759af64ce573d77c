import { storable } from '../../logs/pattern.ts'
import { pointsOf, type OtlpMetric, type OtlpPayload } from '../../schema/otlp.ts'
import { formOf } from '../records/metricForm.ts'
import { pointValue } from '../records/pointValue.ts'
import { seriesOf } from '../rollups/metrics/seriesOf.ts'
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
      for (const metric of metrics) {
        const usable = usableForm(metric, report)
        if (usable === null) continue
        const { kind, form, points } = usable
        const seriesOfPoint = seriesOf({ reporter, scope, metric, kind, form })
        for (const point of points) {
          if (!point.timeUnixNano) {
            report.untimedRecords += 1
            continue
          }
          const time = clock.milliseconds(point.timeUnixNano)
          const part = partOf('metrics', reporter.resource.urn, time)
          if (part === undefined) continue
          const value = pointValue(metric, point)
          if (value === null || (form === 'delta-counter' && typeof value === 'number' && value < 0)) {
            report.unusablePoints += 1
            continue
          }
          part.metrics.add(seriesOfPoint(point.attributes), {
            minute: Math.floor(time / minuteMilliseconds),
            time: clock.precise(point.timeUnixNano),
            start: point.startTimeUnixNano ? clock.precise(point.startTimeUnixNano) : 0,
            value,
            counted: true,
          })
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
