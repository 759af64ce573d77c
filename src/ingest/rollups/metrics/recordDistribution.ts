import { bucketUpperBound, type HistogramRecorder, keyOf, recordingScale } from '../../../sketch/exponentialHistogram.ts'
import type { Distribution } from '../../records/distribution.ts'

/**
 * Records the values of a distribution in a histogram of this library.
 *
 * | values | recorded |
 * |---|---|
 * | a single one whose sum is known | exactly |
 * | in exponential buckets | bucket by bucket |
 * | in an explicit bucket | evenly spaced: the j-th of n at `low + (high - low) * (j - 1/2) / n`, so counts stay whole |
 *
 * | explicit bucket | |
 * |---|---|
 * | the lowest | starts at the minimum; without one at zero, or at its upper bound if that is zero or less |
 * | the highest | ends at the maximum. Without one, all its values are equal: each gets the same part of what the sum leaves after the other buckets, with the middle of each; without a sum, or if that is below its lower bound, the lower bound |
 *
 * @returns the largest value, as far as it is known: the given maximum, or the upper bound of the
 * highest bucket with values.
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
  const overflow = max === null && sum !== null ? leftForHighest(bounds, counts, sum, min) : null
  let highest = -Infinity
  for (const [at, times] of counts.entries()) {
    if (times === 0) continue
    // A single bucket without bounds has only a mean.
    const mean = sum === null ? null : sum / count
    const upper = bounds[at] ?? max ?? overflow ?? bounds[at - 1] ?? mean ?? 0
    const lower =
      bounds[at] === undefined && overflow !== null
        ? overflow
        : (bounds[at - 1] ?? (bounds.length === 0 ? (min ?? upper) : upper > 0 ? 0 : upper))
    const high = max !== null && max < upper && max >= lower ? max : Math.max(upper, lower)
    const low = min !== null && min <= high && (min > lower || at === 0) ? min : lower
    spread(recorder, low, high, times)
    highest = high
  }
  return highest
}

/**
 * The part of the sum for each value beyond the last bound; null without a sum, or if it is not
 * beyond the bound.
 */
function leftForHighest(bounds: readonly number[], counts: readonly number[], sum: number, min: number | null): number | null {
  const last = bounds.at(-1)
  const times = counts.at(-1)
  if (last === undefined || times === undefined || times === 0) return null
  const others = bounds.reduce((total, bound, at) => {
    const lower = bounds[at - 1] ?? Math.min(bound, min ?? 0)
    return total + ((lower + bound) / 2) * counts[at]!
  }, 0)
  const left = (sum - others) / times
  return Number.isFinite(left) && left > last ? left : null
}

/** Records `count` values evenly spaced in (low, high], one bucket of the histogram at a time. */
function spread(recorder: HistogramRecorder, low: number, high: number, count: number): void {
  const width = high - low
  if (!(width > 0) || !Number.isFinite(width)) {
    recorder.record(high, count)
    return
  }
  for (let first = 1; first <= count;) {
    const keyAt = (position: number) => keyOf(low + (width * (position - 0.5)) / count)
    const key = keyAt(first)
    const bound = key === 0 ? 0 : bucketUpperBound(key, recordingScale)
    // The last value of the bucket. A positive bucket includes its bound, a negative one does not.
    const position = ((bound - low) / width) * count + 0.5
    const last = key > 0 ? Math.floor(position) : key === 0 ? first : Math.ceil(position) - 1
    let end = Math.min(count, Math.max(first, last))
    // If the values are so close that rounding decides, the last one in the bucket is searched for.
    if (end < count && keyAt(end + 1) === key) end = lastWith((position) => keyAt(position) === key, end, count)
    recorder.addKey(key, recordingScale, end - first + 1)
    first = end + 1
  }
}

/**
 * The last of the whole numbers from `first` to `most` for which `isSo` holds; it holds for
 * `first`.
 */
function lastWith(isSo: (position: number) => boolean, first: number, most: number): number {
  let [low, high] = [first, most]
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2)
    if (isSo(middle)) low = middle
    else high = middle - 1
  }
  return low
}
