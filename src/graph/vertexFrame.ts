import type { Frame } from '../database/sql/frame.ts'

/** The column of every vertex frame. All other columns of a row are attributes of the vertex. */
export interface VertexRow {
  /** The id that edges have in `src` and `dst`. */
  resource_id: string
}

/**
 * Vertices as a query, one row for each: `resourceNames`, the answers of `reach` and `impact`, or
 * your own query with a `resource_id`. Only the row matters.
 */
export type VertexFrame<Row extends VertexRow = VertexRow> = Frame<Row>
