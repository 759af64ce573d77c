import { pointsOf } from '../../schema/otlp.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'

/** So many records are added to the journal at a time. */
const recordsPerBatch = 10_000

/** Requests in groups that are added to the journal at once. */
export async function* batches(requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>): AsyncGenerator<OtlpRequest[]> {
  let batch: OtlpRequest[] = []
  let records = 0
  for await (const request of requests) {
    batch.push(request)
    records += 1 + recordsIn(request)
    if (records < recordsPerBatch) continue
    yield batch
    batch = []
    records = 0
  }
  if (batch.length > 0) yield batch
}

function recordsIn({ payload: { resourceSpans, resourceMetrics, resourceLogs } }: OtlpRequest): number {
  let records = 0
  for (const { scopeSpans } of resourceSpans ?? []) for (const { spans } of scopeSpans) records += spans.length
  for (const { scopeLogs } of resourceLogs ?? []) for (const { logRecords } of scopeLogs) records += logRecords.length
  for (const { scopeMetrics } of resourceMetrics ?? []) {
    for (const { metrics } of scopeMetrics) for (const metric of metrics) records += pointsOf(metric).length
  }
  return records
}
