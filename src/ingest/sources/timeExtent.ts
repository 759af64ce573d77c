import { pointsOf, type OtlpPayload } from '../../schema/otlp.ts'

/**
 * The earliest and the latest time of the records of an export request, in nanoseconds since 1970;
 * undefined when no record has a time.
 */
export function extentOf(payload: OtlpPayload): { earliest: bigint; latest: bigint } | undefined {
  let earliest: bigint | undefined
  let latest: bigint | undefined
  for (const time of timesOf(payload)) {
    if (!time) continue
    if (earliest === undefined || time < earliest) earliest = time
    if (latest === undefined || time > latest) latest = time
  }
  return earliest === undefined || latest === undefined ? undefined : { earliest, latest }
}

function* timesOf({ resourceSpans, resourceMetrics, resourceLogs }: OtlpPayload): Generator<bigint | null | undefined> {
  for (const { scopeSpans } of resourceSpans ?? [])
    for (const { spans } of scopeSpans) for (const span of spans) yield span.startTimeUnixNano
  for (const { scopeMetrics } of resourceMetrics ?? []) {
    for (const { metrics } of scopeMetrics) for (const metric of metrics) for (const point of pointsOf(metric)) yield point.timeUnixNano
  }
  for (const { scopeLogs } of resourceLogs ?? []) {
    for (const { logRecords } of scopeLogs) for (const record of logRecords) yield record.timeUnixNano || record.observedTimeUnixNano
  }
}
