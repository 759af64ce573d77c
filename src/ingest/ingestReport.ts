import { emptyReport, type RollUpReport } from './rollups/windows/rollUpReport.ts'

/** What happened to everything that was read. */
export interface IngestReport extends RollUpReport {
  /** Pieces of the input that are not export requests, or lines of a text that are no record. */
  malformed: number
  /** The sources without an export request, by name: the file's name, or the `objectKey`. */
  withoutRequests: string[]
  /** Windows of a resource that closed: records that arrive for them later are late. */
  closedWindows: number
  /** Those of them that closed early because the journal had grown too large. */
  closedEarly: number
  /**
   * Beginnings of log messages that more than 300 different words follow, as in dumps of data: all
   * the rest of them is `<*>`. And about how many different masked messages of each were met.
   */
  exploded: Record<string, number>
  /** The size of the journal for the open windows. */
  journal: { bytes: number; windows: number; since: Date | null }
}

export const emptyIngestReport = (): IngestReport => ({
  ...emptyReport(),
  malformed: 0,
  withoutRequests: [],
  closedWindows: 0,
  closedEarly: 0,
  exploded: {},
  journal: { bytes: 0, windows: 0, since: null },
})
