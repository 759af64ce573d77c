import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { Direction } from '../anomalies/anomaly.ts'
import type { Look } from './looks.ts'

/** One point of a series, as it arrives. */
export interface Observation {
  /** The beginning of its bucket. */
  bucket: Date
  /** Null, NaN and magnitudes above 1e100 mean that nothing was measured. */
  value: number | null
}

/** What the earlier points say about a point. The columns are those of `anomalies`. */
export interface Judgement {
  bucket: Date
  value: number
  /** The value that is expected from earlier points. */
  expected: number
  /** The usual distance of values from it, in the series' unit. */
  spread: number
  /** How far off the value is. The unit depends on the method. */
  score: number
  direction: Direction
  /** Whether the score is above the threshold; for `'surprise'`, the first after quiet points. */
  anomalous: boolean
  /** Only for `'surprise'`: the rarest look, and what it saw. */
  look?: Sight
}

/** The look that was rarest, and what it saw. */
export interface Sight extends Look {
  /** The mean of the last values, its change or their variation, in the series' unit. */
  value: number
  /**
   * A value this extreme occurs once in this many of the remembered points; 1 if it is not rare.
   */
  oneIn: number
}

/**
 * Squares of magnitudes beyond these leave the range of doubles. A value above is ignored, one
 * below counts as 0, as in `anomalies`.
 */
const [largest, smallest] = [1e100, 1e-100]

/** The number that a value counts as; null if it is ignored. */
export function measured(value: number | null): number | null {
  if (value === null || !(Math.abs(value) <= largest)) return null
  return Math.abs(value) < smallest ? 0 : value
}

/**
 * The time of an observation, in milliseconds.
 *
 * @throws InvalidInputError if the bucket is not a date, the value is neither number nor null, or
 * the time is not after `last`.
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
