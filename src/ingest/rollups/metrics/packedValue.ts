import type { Distribution } from '../../records/distribution.ts'
import type { PointValue } from '../../records/pointValue.ts'
import type { Summary } from '../../records/summary.ts'

/** A distribution as JSON has it: exponential counts as pairs. */
type PackedDistribution = Omit<Distribution, 'buckets'> & {
  buckets: { bounds: readonly number[]; counts: readonly number[] } | { scale: number; pairs: readonly (readonly [number, number])[] }
}

/** A value of a point as JSON has it. */
export type PackedValue = number | PackedDistribution | Summary

/** A value for JSON. */
export function packedValue(value: PointValue): PackedValue {
  if (typeof value === 'number' || !('buckets' in value)) return value
  const { buckets } = value
  return { ...value, buckets: 'bounds' in buckets ? buckets : { scale: buckets.scale, pairs: [...buckets.counts] } }
}

/** The value again. */
export function unpackedValue(value: PackedValue): PointValue {
  if (typeof value === 'number' || !('buckets' in value)) return value
  const { buckets } = value
  return { ...value, buckets: 'bounds' in buckets ? buckets : { scale: buckets.scale, counts: new Map(buckets.pairs) } }
}
