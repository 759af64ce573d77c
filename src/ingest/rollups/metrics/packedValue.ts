import type { Distribution } from '../../records/distribution.ts'
import type { PointValue } from '../../records/pointValue.ts'
import type { Summary } from '../../records/summary.ts'

/** A distribution as JSON: exponential counts as pairs. */
type PackedDistribution = Omit<Distribution, 'buckets'> & {
  buckets: { bounds: readonly number[]; counts: readonly number[] } | { scale: number; pairs: readonly (readonly [number, number])[] }
}

/** A point's value as JSON. */
export type PackedValue = number | PackedDistribution | Summary

/** Converts a value for JSON. */
export function packedValue(value: PointValue): PackedValue {
  if (typeof value === 'number' || !('buckets' in value)) return value
  const { buckets } = value
  return { ...value, buckets: 'bounds' in buckets ? buckets : { scale: buckets.scale, pairs: [...buckets.counts] } }
}

/** Converts a value back. */
export function unpackedValue(value: PackedValue): PointValue {
  if (typeof value === 'number' || !('buckets' in value)) return value
  const { buckets } = value
  return { ...value, buckets: 'bounds' in buckets ? buckets : { scale: buckets.scale, counts: new Map(buckets.pairs) } }
}
