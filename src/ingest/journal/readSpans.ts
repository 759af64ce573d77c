import type { OtlpPayload } from '../../schema/otlp.ts'
import { spanRecord } from '../records/spanRecord.ts'
import type { Arrival } from './batch.ts'
import { readOrRefuse } from './refused.ts'

/**
 * Reads the spans of a request into the parts of their windows.
 *
 * A span belongs to the window in which it starts. A span longer than the horizon belongs to the
 * window in which it ends, since it is reported only then.
 */
export function readSpans(
  resourceSpans: OtlpPayload['resourceSpans'],
  { report, clock, horizon, resourceOf, dimensions, origin, line, reporterOf, partOf }: Arrival,
): void {
  for (const { resource, scopeSpans } of resourceSpans ?? []) {
    const spans = scopeSpans.flatMap((scope) => scope.spans)
    report.spans += spans.length
    const reporter = reporterOf(resource.attributes, 'traces', spans.length)
    if (reporter === null) continue
    const valuesOf = dimensions.under(resource.attributes)
    for (const span of spans) {
      const { startTimeUnixNano: start, endTimeUnixNano: end } = span
      if (!start || !end) {
        report.untimedRecords += 1
        continue
      }
      if (end < start) {
        report.negativeSpans += 1
        continue
      }
      const [began, ended] = [clock.milliseconds(start), clock.milliseconds(end)]
      const part = partOf('traces', reporter.resource.urn, ended - began > horizon ? ended : began)
      if (part === undefined) continue
      const times = { start: clock.precise(start), duration: Number(end - start) / 1e6 }
      const record = readOrRefuse(report, 1, () => spanRecord(span, reporter, times, origin, { resourceOf, valuesOf }))
      if (record === null) continue
      if (span.traceId === '' || span.spanId === '') report.spansWithoutId += 1
      part.spans.push(record)
      part.report(reporter.resource, ended)
      part.locators.add('traces', origin, line)
    }
  }
}
