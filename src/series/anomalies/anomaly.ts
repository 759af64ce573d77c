/** Which way a point left what was expected. */
export type Direction = 'up' | 'down'

/** A point, and what the points before it let expect. */
export interface ExpectedPoint {
  series: string
  bucket: Date
  value: number
  /** The median of what the point is compared with, in the series' unit. */
  expected: number
  /** How far from it values usually are, in the series' unit: floors included, at least 0. */
  spread: number
}

/** A point that the points before it do not let expect. */
export interface Anomaly extends ExpectedPoint {
  /** How far off the point is; what one unit of it means is the method's to say. */
  score: number
  /** Whether the point is above what is expected, or below. For `'ewma'`: whether the run is. */
  direction: Direction
  /** The series again: the answer is a ranking frame. */
  item: string
}
