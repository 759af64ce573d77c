import { InvalidInputError } from '../../schema/errors.ts'
import { refusalReason } from '../records/resourceOf.ts'
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
