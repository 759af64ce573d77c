import type { Frame } from '../database/sql/frame.ts'

/**
 * One point of a series. A row may have more columns.
 *
 * Two kinds of functions treat unusual values differently:
 *
 * | `value` | functions that compute (`rate`, `combine`, `resample`, ...) | functions that judge (`anomalies`, `forecast`, ...) |
 * |---|---|---|
 * | null | as each function says | ignored, as if the row was absent |
 * | NaN, infinities | kept; as each function says | ignored |
 * | magnitude above 1e100 | counts as infinite | ignored |
 * | magnitude below 1e-100 | counts as 0 | counts as 0 |
 */
export interface SeriesRow {
  /** The name of the series, unique in the frame. */
  series: string
  /** The beginning of the point's bucket. */
  bucket: Date
  /** Null: the bucket exists but did not measure this. */
  value: number | null
}

/**
 * Any query with the columns of a series, from a Kysely of any database type. A series has at most
 * one row for each bucket.
 */
export type SeriesFrame<Row extends SeriesRow = SeriesRow> = Frame<Row>
