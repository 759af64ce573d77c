import type { OtlpExponentialPoint, OtlpHistogramPoint } from '../../schema/otlp.ts'
import {
  bucketUpperBound,
  coarserKey,
  type HistogramRecorder,
  keyOf,
  keyOfIndex,
  recordingScale,
  scaleRange,
} from '../../sketch/exponentialHistogram.ts'

/** A histogram point as it came, so that two points of a cumulative series can be subtracted exactly. */
export interface Distribution {
  count: number
  /** Null where the point has none. */
  sum: number | null
  min: number | null
  max: number | null
  buckets: { bounds: readonly number[]; counts: readonly number[] } | { scale: number; counts: ReadonlyMap<number, number> }
}

/** The distribution of an explicit-bucket point, or null when it contradicts itself. */
export function explicitDistribution(point: OtlpHistogramPoint): Distribution | null {
  const bounds = point.explicitBounds
  const total = point.bucketCounts.reduce((sum, count) => sum + count, 0)
  const count = point.count ?? total
  const counts = point.bucketCounts.length === 0 && bounds.length === 0 ? [count] : point.bucketCounts
  if (counts.length !== bounds.length + 1 || (point.bucketCounts.length > 0 && total !== count)) return null
  if (bounds.some((bound, at) => !Number.isFinite(bound) || (at > 0 && bound <= bounds[at - 1]!))) return null
  return { count, ...limits(point), buckets: { bounds, counts } }
}

/** The distribution of an exponential point at our scale (or its own, when that is coarser), or null when it contradicts itself. */
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
      // Such a bucket lies outside of what a double can be.
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
 * What was added to a cumulative distribution between two of its points; null when it was reset in between (anything is less than before, or the
 * buckets are others). Minimum and maximum of the addition are not known: they stay as limits, which they are.
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

/**
 * Records a distribution's values. A single value whose sum is known is recorded exactly; exponential buckets as they are. The values of an explicit
 * bucket are taken as evenly spaced in it: the j-th of n at `low + (high - low) * (j - 1/2) / n`, so the counts are whole, add up and are the same
 * every time. The lowest bucket starts at the minimum, without one at zero (at its upper bound, when that is negative or zero); the highest ends at
 * the maximum, without one its values are at its lower bound.
 *
 * @returns the largest value as far as it is known: the maximum given, or the upper end of the highest bucket with values.
 */
export function recordDistribution(recorder: HistogramRecorder, { count, sum, min, max, buckets }: Distribution): number {
  if (count === 1 && sum !== null) {
    recorder.record(sum)
    return sum
  }
  if (!('bounds' in buckets)) {
    let highest = -Infinity
    for (const [key, times] of buckets.counts) {
      recorder.addKey(key, buckets.scale, times)
      highest = Math.max(highest, Math.min(bucketUpperBound(key, buckets.scale), Number.MAX_VALUE))
    }
    return max === null ? highest : Math.min(highest, Math.max(max, -Number.MAX_VALUE))
  }
  const { bounds, counts } = buckets
  let highest = -Infinity
  for (const [at, times] of counts.entries()) {
    if (times === 0) continue
    // A single bucket without bounds says nothing but its mean.
    const mean = sum === null ? null : sum / count
    const upper = bounds[at] ?? max ?? bounds[at - 1] ?? mean ?? 0
    const lower = bounds[at - 1] ?? (bounds.length === 0 ? (min ?? upper) : upper > 0 ? 0 : upper)
    const high = max !== null && max < upper && max >= lower ? max : Math.max(upper, lower)
    const low = min !== null && min <= high && (min > lower || at === 0) ? min : lower
    spread(recorder, low, high, times)
    highest = high
  }
  return highest
}

/** Records `count` values evenly spaced in (low, high], a bucket of ours at a time. */
function spread(recorder: HistogramRecorder, low: number, high: number, count: number): void {
  const width = high - low
  if (!(width > 0) || !Number.isFinite(width)) {
    recorder.record(high, count)
    return
  }
  for (let first = 1; first <= count;) {
    const key = keyOf(low + (width * (first - 0.5)) / count)
    const bound = key === 0 ? 0 : bucketUpperBound(key, recordingScale)
    // The values up to the bound; of negative ones, and of zero, which are a bucket of their own, those before it.
    const position = ((bound - low) / width) * count + 0.5
    const last = key > 0 ? Math.floor(position) : key === 0 ? first : Math.ceil(position) - 1
    const end = Math.min(count, Math.max(first, last))
    recorder.addKey(key, recordingScale, end - first + 1)
    first = end + 1
  }
}
