import { InvalidInputError } from '../../schema/errors.ts'
import type { OtlpPayload } from '../../schema/otlp.ts'
import { reportingResource, type ReportingResource } from '../records/reportingResource.ts'
import { refusalReason, type ResourceOf } from '../records/resourceOf.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { RollUpReport } from '../rollups/windows/rollUpReport.ts'

/** Counts records as refused, under the reason why. */
export function refuse(report: RollUpReport, reason: string, records: number): void {
  report.refused[reason] = (report.refused[reason] ?? 0) + records
}

/**
 * What `read` returns; null, and `records` refused, when it finds a name that is too long to be
 * stored, or `resourceOf` names what cannot be.
 */
export function readOrRefuse<T>(report: RollUpReport, records: number, read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    refuse(report, refusalReason(error), records)
    return null
  }
}

type ResourceAttributes = NonNullable<OtlpPayload['resourceSpans']>[number]['resource']['attributes']

/**
 * Who reports so many records; null, and the records refused, when its name is too long to be
 * stored.
 */
export function reporterOf(
  report: RollUpReport,
  attributes: ResourceAttributes,
  dataset: Dataset,
  records: number,
  resourceOf?: ResourceOf,
): ReportingResource | null {
  const reporter = readOrRefuse(report, records, () => reportingResource(attributes, dataset, resourceOf))
  if (reporter?.nameless) report.recordsWithoutService += records
  return reporter
}
