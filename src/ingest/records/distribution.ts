import type { OtlpExponentialPoint, OtlpHistogramPoint } from '../../schema/otlp.ts'
import { coarserKey, keyOfIndex, recordingScale, scaleRange } from '../../sketch/exponentialHistogram.ts'

/**
 * A histogram point with its own buckets, so that two points of a cumulative series subtract
 * exactly.
 */
export interface Distribution {
  count: number
  /** Null if the point has none. */
  sum: number | null
  min: number | null
  max: number | null
  buckets: { bounds: readonly number[]; counts: readonly number[] } | { scale: number; counts: ReadonlyMap<number, number> }
}

/** Reads a point with explicit buckets; null if it contradicts itself. */
export function explicitDistribution(point: OtlpHistogramPoint): Distribution | null {
  const bounds = point.explicitBounds
  const total = point.bucketCounts.reduce((sum, count) => sum + count, 0)
  const count = point.count ?? total
  const counts = point.bucketCounts.length === 0 && bounds.length === 0 ? [count] : point.bucketCounts
  if (counts.length !== bounds.length + 1 || (point.bucketCounts.length > 0 && total !== count)) return null
  if (bounds.some((bound, at) => !Number.isFinite(bound) || (at > 0 && bound <= bounds[at - 1]!))) return null
  return { count, ...limits(point), buckets: { bounds, counts } }
}

/**
 * Reads a point with exponential buckets, at our scale, or at its own if that is coarser; null if
 * it contradicts itself.
 */
export function exponentialDistribution(point: OtlpExponentialPoint): Distribution | null {
  const scale = point.scale ?? 0
  if (scale < scaleRange.min || scale > scaleRange.max) return null
  const ours = Math.min(scale, recordingScale)
  const counts = new Map<number, number>()
  let total = 0
  const add = (key: number, count: number) => {
    if (count === 0) return
    counts.set(key, (counts.get(key) ?? 0) + count)
    total += count
  }
  add(0, point.zeroCount ?? 0)
  const lastKey = keyOfIndex(Math.ceil(1024 * 2 ** scale) - 1, scale)
  for (const [sign, side] of [
    [1, point.positive],
    [-1, point.negative],
  ] as const) {
    for (const [at, count] of (side?.bucketCounts ?? []).entries()) {
      if (count === 0) continue
      const key = keyOfIndex((side?.offset ?? 0) + at, scale)
      // Such a bucket lies outside the range of a double.
      if (key < 1 || key > lastKey) return null
      add(sign * coarserKey(key, scale - ours), count)
    }
  }
  const count = point.count ?? total
  return total === count ? { count, ...limits(point), buckets: { scale: ours, counts } } : null
}

const finite = (value: number | null | undefined) => (value != null && Number.isFinite(value) ? value : null)

function limits({ sum, min, max }: Pick<OtlpHistogramPoint, 'sum' | 'min' | 'max'>) {
  return { sum: finite(sum), min: finite(min), max: finite(max) }
}

/**
 * The increase of a cumulative distribution between two points. Null if it was reset in between: a
 * count fell, or the buckets differ. The minimum and maximum of the increase are not known; those
 * of the later point are kept, as limits.
 */
export function subtractDistribution(now: Distribution, before: Distribution): Distribution | null {
  if (now.count < before.count) return null
  const sum = finite(now.sum === null || before.sum === null ? null : now.sum - before.sum)
  const rest = { count: now.count - before.count, sum, min: now.min, max: now.max }
  if ('bounds' in now.buckets && 'bounds' in before.buckets) {
    const { bounds, counts } = now.buckets
    const earlier = before.buckets
    if (bounds.length !== earlier.bounds.length || bounds.some((bound, at) => bound !== earlier.bounds[at])) return null
    const added = counts.map((count, at) => count - earlier.counts[at]!)
    return added.some((count) => count < 0) ? null : { ...rest, buckets: { bounds, counts: added } }
  }
  if ('bounds' in now.buckets || 'bounds' in before.buckets) return null
  const scale = Math.min(now.buckets.scale, before.buckets.scale)
  const counts = atScale(now.buckets, scale)
  for (const [key, count] of atScale(before.buckets, scale)) {
    const left = (counts.get(key) ?? 0) - count
    if (left < 0) return null
    if (left === 0) counts.delete(key)
    else counts.set(key, left)
  }
  return { ...rest, buckets: { scale, counts } }
}

function atScale({ scale, counts }: { scale: number; counts: ReadonlyMap<number, number> }, coarser: number): Map<number, number> {
  const result = new Map<number, number>()
  for (const [key, count] of counts) {
    const at = coarserKey(key, scale - coarser)
    result.set(at, (result.get(at) ?? 0) + count)
  }
  return result
}
