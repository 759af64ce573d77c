import type { OtlpPayload } from '../../schema/otlp.ts'
import { messageOf } from '../records/logMessage.ts'
import { isError } from '../records/severityOf.ts'
import type { Arrival } from './batch.ts'

/** Reads the log records of a request into the parts of their windows. */
export function readLogs(
  resourceLogs: OtlpPayload['resourceLogs'],
  { report, clock, dimensions, messages, origin, line, reporterOf, partOf }: Arrival,
): void {
  for (const { resource, scopeLogs } of resourceLogs ?? []) {
    const records = scopeLogs.flatMap((scope) => scope.logRecords)
    report.logRecords += records.length
    const reporter = reporterOf(resource.attributes, 'logs', records.length)
    if (reporter === null) continue
    const valuesOf = dimensions.under(resource.attributes)
    for (const record of records) {
      const nanoseconds = record.timeUnixNano || record.observedTimeUnixNano
      if (!nanoseconds) {
        report.untimedRecords += 1
        continue
      }
      const time = clock.milliseconds(nanoseconds)
      const part = partOf('logs', reporter.resource.urn, time)
      if (part === undefined) continue
      const read = messageOf(record, messages)
      part.patterns.add(reporter.resource.urn, record, read, time, origin)
      const failed = isError(read.severity)
      for (const value of valuesOf.log(record)) part.values.add(reporter.resource.urn, value, failed)
      part.report(reporter.resource, time)
      part.locators.add('logs', origin, line)
    }
  }
}
