import type { Frame } from '../database/sql/frame.ts'

/** One point of a series. More columns may stand beside them. */
export interface SeriesRow {
  /** The name that tells one series of the frame from another. */
  series: string
  /** When the point's bucket begins. */
  bucket: Date
  /** Null: the bucket is there, but did not measure this. */
  value: number | null
}

/**
 * Any query with the columns of a series, whatever database type it was built on; a series has at
 * most one row a bucket.
 */
export type SeriesFrame<Row extends SeriesRow = SeriesRow> = Frame<Row>
