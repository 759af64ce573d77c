import { pointsOf, type OtlpPayload } from '../../schema/otlp.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'

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

/** How many records of each kind a request has. */
export type RecordCounts = Readonly<Record<Dataset, number>>

export const recordCounts = ({ payload }: Pick<OtlpRequest, 'payload'>): RecordCounts => ({
  traces: recordsOf(payload, 'traces'),
  metrics: recordsOf(payload, 'metrics'),
  logs: recordsOf(payload, 'logs'),
})
