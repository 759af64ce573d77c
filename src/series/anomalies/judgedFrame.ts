import type { SelectQueryBuilder } from 'kysely'

/** A point, and what the points before it let expect. */
export interface JudgedPoint {
  series: string
  bucket: Date
  value: number
  /** The median of what it is compared with. */
  expected: number
  /** The width of what is normal, in the series' unit: floors included, at least 0. */
  spread: number
}

/** A query of judged points. */
export type JudgedFrame = SelectQueryBuilder<any, any, JudgedPoint>
