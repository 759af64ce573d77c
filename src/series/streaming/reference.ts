import { partOf } from '../../schema/decimal.ts'
import type { Judged } from './judge.ts'
import type { SortedValues } from './sortedValues.ts'

/** What is expected of a value, and how far from it values usually are. */
export interface Reference {
  expected: number
  spread: number
}

/** What of a detector's settings a reference needs. */
export interface ReferenceSettings {
  minPoints: number
  floor: number
  minSpread: number
}

/**
 * Makes a median absolute deviation the standard deviation, were the values normally distributed: 1
 * / 0.6745.
 */
export const toSigma = 1.4826

/** Median and spread of the values learnt from; null when they are too few. */
export function referenceOf(values: SortedValues, { minPoints, floor, minSpread }: ReferenceSettings): Reference | null {
  if (values.size < minPoints) return null
  const expected = values.median()
  return { expected, spread: Math.max(toSigma * values.medianDeviation(expected), partOf(floor, Math.abs(expected)), minSpread) }
}

/**
 * How many spreads a value is above (positive) or below what is expected; infinite where it is off
 * and the spread 0.
 */
export function signedScore(value: number, { expected, spread }: Reference): number {
  return value === expected ? 0 : (value - expected) / spread
}

/** A judgement by how many spreads a value, or an average of such, is off. */
export const judgedBy = (signed: number, { expected, spread }: Reference, threshold: number): Judged => ({
  expected,
  spread,
  score: Math.abs(signed),
  direction: signed < 0 ? 'down' : 'up',
  anomalous: Math.abs(signed) > threshold,
})
