import type { Frame } from '../database/sql/frame.ts'

/** The column every vertex frame has; whatever else a row carries are the vertex's attributes. */
export interface VertexRow {
  /** The id that edges name in `src` and `dst`. */
  resource_id: string
}

/**
 * Vertices as a query, a row for each: `resourceNames`, the answers of `reach` and `impact`, or
 * anybody's own with a `resource_id`. Only the row matters.
 */
export type VertexFrame<Row extends VertexRow = VertexRow> = Frame<Row>
