import type { Frame } from '../database/sql/frame.ts'

/** The columns of every edge frame. All other columns of a row are attributes of the edge. */
export interface EdgeRow {
  /** `resource_id` of the caller, or in general of where the edge begins. */
  src: string
  /** `resource_id` of the callee, or in general of where the edge ends. */
  dst: string
  /** The traffic of the edge, for calls their rate per second; null if it was not measured. */
  weight: number | null
}

/**
 * Edges as a query. `activeCalls`, `callsDuring` and `topologyAt` make them, or you make them from
 * your own tables; `reach`, `impact`, `mirrorGraph` and `toGraphology` take them. Only the row
 * matters: a frame may come from a Kysely of any database type.
 */
export type EdgeFrame<Row extends EdgeRow = EdgeRow> = Frame<Row>
