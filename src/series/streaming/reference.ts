import { partOf } from '../../schema/decimal.ts'
import type { Judged } from './judge.ts'
import type { SortedValues } from './sortedValues.ts'

/** The expected value, and the usual distance from it. */
export interface Reference {
  expected: number
  spread: number
}

/** The settings that a reference needs. */
export interface ReferenceSettings {
  minPoints: number
  floor: number
  minSpread: number
}

/**
 * Turns the median absolute deviation of normally distributed values into their standard deviation:
 * 1 / 0.6745.
 */
export const toSigma = 1.4826

/** Median and spread of the learned values; null if there are too few. */
export function referenceOf(values: SortedValues, { minPoints, floor, minSpread }: ReferenceSettings): Reference | null {
  if (values.size < minPoints) return null
  const expected = values.median()
  return { expected, spread: Math.max(toSigma * values.medianDeviation(expected), partOf(floor, Math.abs(expected)), minSpread) }
}

/**
 * How many spreads a value is above (positive) or below (negative) the expected value; infinite if
 * it differs and the spread is 0.
 */
export function signedScore(value: number, { expected, spread }: Reference): number {
  return value === expected ? 0 : (value - expected) / spread
}

/** A judgement by the number of spreads that a value, or an average of such numbers, is off. */
export const judgedBy = (signed: number, { expected, spread }: Reference, threshold: number): Judged => ({
  expected,
  spread,
  score: Math.abs(signed),
  direction: signed < 0 ? 'down' : 'up',
  anomalous: Math.abs(signed) > threshold,
})
