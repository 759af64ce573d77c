/** The side of the expected value that a point is on. */
export type Direction = 'up' | 'down'

/** A point with the value that is expected from earlier points. */
export interface ExpectedPoint {
  series: string
  bucket: Date
  value: number
  /** The median of the points it is compared with, in the series' unit. */
  expected: number
  /** The usual distance of values from it, in the series' unit; floors are included. At least 0. */
  spread: number
}

/** A point whose score is above the threshold. */
export interface Anomaly extends ExpectedPoint {
  /** How far off the point is. The unit depends on the method. */
  score: number
  /**
   * Whether the point is above or below the expected value. For `'ewma'`: whether the run is. For
   * `'surprise'`: the side on which the rarest look is rare.
   */
  direction: Direction
  /** Equal to `series`: it makes the answer a ranking frame. */
  item: string
}
