import type { Frame } from '../database/sql/frame.ts'

/** One row of a ranking: what is ranked, and how high. More columns may stand beside them. */
export interface RankingRow {
  /** An id, a URN, a name: whatever tells the items apart. */
  item: string | number
  /** Higher is more. Null: could not be scored, which ranks last. */
  score: number | null
}

/** Any query with the columns of a ranking, whatever database type it was built on. */
export type RankingFrame<Row extends RankingRow = RankingRow> = Frame<Row>
