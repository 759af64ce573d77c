import { InvalidInputError } from '../../schema/errors.ts'
import { refusalReason } from '../records/resourceOf.ts'
import type { RollUpReport } from '../rollups/windows/rollUpReport.ts'

/** Counts records as refused, by reason. */
export function refuse(report: RollUpReport, reason: string, records: number): void {
  report.refused[reason] = (report.refused[reason] ?? 0) + records
}

/**
 * The result of `read`. Null if a name is too long to be stored, or `resourceOf` returns a value
 * that cannot be stored; `records` are then counted as refused.
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
