import type { OtlpMetric, OtlpNumberPoint, OtlpPoint } from '../../schema/otlp.ts'
import { explicitDistribution, exponentialDistribution, type Distribution } from './distribution.ts'
import { summaryOf, type Summary } from './summary.ts'

/** The measurement of a metric point. */
export type PointValue = number | Distribution | Summary

/** Bit 0 of a point's `flags`: the point has no value. */
const noRecordedValue = 1

/** The value of a point; null if it has no usable one. */
export function pointValue(metric: OtlpMetric, point: OtlpPoint): PointValue | null {
  if (((point.flags ?? 0) & noRecordedValue) !== 0) return null
  if ('quantileValues' in point) return summaryOf(point)
  if ('bucketCounts' in point) return explicitDistribution(point)
  if (metric.exponentialHistogram) return exponentialDistribution(point)
  const number = (point as OtlpNumberPoint).asDouble ?? (point as OtlpNumberPoint).asInt
  return number != null && Number.isFinite(number) ? number : null
}

/** Puts the greater of two values first; the order is total. */
export function compareValues(a: PointValue, b: PointValue): number {
  if (typeof a === 'number' || typeof b === 'number') return typeof a === 'number' && typeof b === 'number' ? b - a : 0
  return b.count - a.count || (b.sum ?? 0) - (a.sum ?? 0) || compareTexts(textOf(b), textOf(a))
}

const compareTexts = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1)

/** The other fields of a distribution or summary. */
const textOf = (value: Distribution | Summary): string =>
  JSON.stringify('buckets' in value && 'counts' in value.buckets ? [value, [...value.buckets.counts]] : value)
