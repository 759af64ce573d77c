import type { Frame } from '../database/sql/frame.ts'

/** One row of a ranking: an item and its score. A row may have more columns. */
export interface RankingRow {
  /** An id, a URN or a name that identifies the item. */
  item: string | number
  /** A higher score is better. Null means that it could not be scored; such rows come last. */
  score: number | null
}

/** Any query with the columns of a ranking, from a Kysely of any database type. */
export type RankingFrame<Row extends RankingRow = RankingRow> = Frame<Row>
