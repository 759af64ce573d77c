import { pointsOf, type OtlpPayload } from '../../schema/otlp.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'

/** How many records of one kind a request has. */
export function recordsOf({ resourceSpans, resourceMetrics, resourceLogs }: OtlpPayload, dataset: Dataset): number {
  let records = 0
  if (dataset === 'traces') {
    for (const { scopeSpans } of resourceSpans ?? []) for (const { spans } of scopeSpans) records += spans.length
  } else if (dataset === 'logs') {
    for (const { scopeLogs } of resourceLogs ?? []) for (const { logRecords } of scopeLogs) records += logRecords.length
  } else {
    for (const { scopeMetrics } of resourceMetrics ?? []) {
      for (const { metrics } of scopeMetrics) for (const metric of metrics) records += pointsOf(metric).length
    }
  }
  return records
}
