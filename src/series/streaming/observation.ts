import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { Direction } from '../anomalies/anomaly.ts'
import type { Look } from './looks.ts'

/** One point of a series, as it comes in. */
export interface Observation {
  /** When its bucket begins. */
  bucket: Date
  /** Null, as NaN and magnitudes above 1e100: nothing was measured. */
  value: number | null
}

/** What a point is, given the points before it. The columns are those of `anomalies`. */
export interface Judgement {
  bucket: Date
  value: number
  /** The value that the points before it let expect. */
  expected: number
  /** How far from it values of the series usually are, in the series' unit. */
  spread: number
  /** How far off the value is; what one unit of it means is the method's to say. */
  score: number
  direction: Direction
  /** Whether the score is above the threshold; for `'surprise'`, above its rising bar. */
  anomalous: boolean
  /** For `'surprise'`: what it is that was seen so rarely. */
  look?: Sight
}

/** The look that was rarest, and what it saw. */
export interface Sight extends Look {
  /** The mean of the last values, or by how much it changed; in the series' unit. */
  value: number
  /**
   * Once in so many points the series goes as far, by the points remembered; 1 when nothing is
   * special about it.
   */
  oneIn: number
}

/**
 * Magnitudes beyond which doubles cannot be trusted with squares: a value above is none, one below
 * is 0, as for `anomalies`.
 */
const [largest, smallest] = [1e100, 1e-100]

/** The number that a value counts as; null when it counts as absent. */
export function measured(value: number | null): number | null {
  if (value === null || !(Math.abs(value) <= largest)) return null
  return Math.abs(value) < smallest ? 0 : value
}

/**
 * The time of an observation, in milliseconds.
 *
 * @throws InvalidInputError when it is no date, the value is neither number nor null, or the time
 * is not after `last`.
 */
export function timeOf({ bucket, value }: Observation, last: number | null): number {
  if (!(bucket instanceof Date) || Number.isNaN(bucket.getTime())) {
    throw new InvalidInputError('observation.bucket', `must be a valid Date, got ${preview(bucket)}`)
  }
  if (value !== null && typeof value !== 'number') {
    throw new InvalidInputError('observation.value', `must be a number or null, got ${preview(value)}`)
  }
  const time = bucket.getTime()
  if (last !== null && time <= last) {
    const before = new Date(last).toISOString()
    throw new InvalidInputError('observation.bucket', `must be after ${before}, which was observed before it, got ${bucket.toISOString()}`)
  }
  return time
}
