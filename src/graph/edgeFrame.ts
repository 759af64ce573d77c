import type { Frame } from '../database/sql/frame.ts'

/** The columns every edge frame has; whatever else a row carries are the edge's attributes. */
export interface EdgeRow {
  /** `resource_id` of the caller, or of whatever the edge leaves from. */
  src: string
  /** `resource_id` of the callee, or of whatever the edge leads to. */
  dst: string
  /**
   * How much goes along the edge, for calls their rate per second; null where nothing measured it.
   */
  weight: number | null
}

/**
 * Edges as a query: made by `activeCalls`, `callsDuring` and `topologyAt`, or by anybody from a
 * table of their own; taken by `reach`, `impact`, `mirrorGraph` and `toGraphology`. Only the row
 * matters, so a frame may come from a Kysely instance of any database type.
 */
export type EdgeFrame<Row extends EdgeRow = EdgeRow> = Frame<Row>
