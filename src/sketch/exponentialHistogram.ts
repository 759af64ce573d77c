import { partOf } from '../schema/decimal.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/**
 * A mergeable exponential histogram: `[scale, key, count, key, count, ...]`, keys ascending, counts
 * positive. {@link encodeHistogram} gives the bytes that `metric_1m` and `service_call_5m` store.
 *
 * The buckets are OpenTelemetry's base-2 buckets: with `base = 2 ** 2 ** -scale`, bucket `i` holds
 * the values in `(base ** i, base ** (i + 1)]`. Scales from -10 to 20 are allowed.
 *
 * | value | key |
 * |---|---|
 * | positive, in bucket `i` | `i + 2 ** (scale + 11) + 1`, at least 1 for every double |
 * | zero | 0 |
 * | negative | minus the key of its magnitude |
 *
 * Keys therefore ascend as values do.
 *
 * Specification: OpenTelemetry metrics data model, "ExponentialHistogram". Error bounds: Masson,
 * Rim, Lee, "DDSketch" (VLDB 2019).
 */
export type ExponentialHistogram = readonly number[]

/** The scale of recorded values: 32 buckets for each doubling, relative error 1.083 %. */
export const recordingScale = 5

/** The scales a histogram may have. */
export const scaleRange = { min: -10, max: 20 } as const

/**
 * The largest relative error of a quantile from a histogram of this scale:
 * `(base - 1) / (base + 1)`, which is 0.01083 at scale 5.
 */
export function relativeError(scale: number): number {
  const base = 2 ** (2 ** -scale)
  return base === Infinity ? 1 : (base - 1) / (base + 1)
}

/** The key of the bucket `index` of positive values at `scale`. */
export const keyOfIndex = (index: number, scale: number): number => index + 2 ** (scale + 11) + 1

/** The index of the bucket with this positive key, in OpenTelemetry's numbering. */
export const indexOfKey = (key: number, scale: number): number => key - 1 - 2 ** (scale + 11)

/**
 * The lower bounds of the 32 buckets of [1, 2): 2^(j/32). They are products of repeated square
 * roots, which IEEE 754 rounds correctly. Every machine, and `sql/exponential_histogram.sql`,
 * therefore has the same 32 doubles, and a value on a bound falls into the same bucket everywhere.
 */
const octaveBounds: readonly number[] = Array.from({ length: 32 }, (_, j) => {
  let bound = 1
  let root = 2
  for (let bit = 16; bit >= 1; bit /= 2) {
    root = Math.sqrt(root)
    if (j & bit) bound *= root
  }
  return bound
})

const words = new DataView(new ArrayBuffer(8))

/**
 * The key of a finite value at the recording scale.
 *
 * It is exact: the exponent comes from the bits and the mantissa is compared with the bounds, so no
 * logarithm is rounded.
 */
export function keyOf(value: number): number {
  if (value === 0) return 0
  if (value < 0) return -keyOf(-value)
  // Subnormal numbers have no implicit leading bit; multiplied by 2^54 they are normal.
  const subnormal = value < 2.2250738585072014e-308
  words.setFloat64(0, subnormal ? value * 2 ** 54 : value)
  const head = words.getUint32(0)
  const exponent = (head >>> 20) - 1023 - (subnormal ? 54 : 0)
  words.setUint32(0, (head & 0xfffff) | 0x3ff00000)
  const mantissa = words.getFloat64(0)
  let below = 0
  for (let step = 16; step >= 1; step /= 2) if (octaveBounds[below + step - 1]! < mantissa) below += step
  if (below === 31 && octaveBounds[31]! < mantissa) below = 32
  return keyOfIndex(exponent * 32 + below - 1, recordingScale)
}

/** The key, at the coarser scale `scale - by`, of the bucket that contains this key's bucket. */
export function coarserKey(key: number, by: number): number {
  if (by === 0 || key === 0) return key
  return Math.sign(key) * (Math.floor((Math.abs(key) - 1) / 2 ** by) + 1)
}

/**
 * The value that represents a bucket: `2 * low * high / (low + high)`, whose relative distance to
 * both bounds is `relativeError(scale)`; 0 for the key 0.
 *
 * Below the smallest normal double (2.2e-308) this is not guaranteed: such numbers have less
 * relative precision themselves.
 */
export function bucketValue(key: number, scale: number): number {
  if (key === 0) return 0
  const width = 2 ** -scale
  const low = 2 ** (indexOfKey(Math.abs(key), scale) * width)
  return Math.sign(key) * low * (2 / (1 + 2 ** -width))
}

/**
 * The upper bound (inclusive) of the values in a bucket. For negative values it is the bound nearer
 * to zero, which is exclusive.
 */
export function bucketUpperBound(key: number, scale: number): number {
  if (key === 0) return 0
  const index = indexOfKey(Math.abs(key), scale)
  const upper = scale === recordingScale ? octaveBound(key > 0 ? index + 1 : index) : 2 ** ((key > 0 ? index + 1 : index) * 2 ** -scale)
  return key > 0 ? upper : -upper
}

const octaveBound = (index: number): number => {
  const exponent = Math.floor(index / 32)
  return octaveBounds[index - exponent * 32]! * 2 ** exponent
}

/**
 * Collects values and merged histograms. Mutable: do not share it.
 */
export class HistogramRecorder {
  #scale = recordingScale
  #counts = new Map<number, number>()
  #total = 0

  /** The number of recorded values. */
  get count(): number {
    return this.#total
  }

  /** Records a finite value `count` times. NaN and infinities have no bucket and are refused. */
  record(value: number, count = 1): void {
    if (!Number.isFinite(value)) throw new InvalidInputError('value', `must be a finite number, got ${String(value)}`)
    this.addKey(keyOf(value), recordingScale, count)
  }

  /**
   * Adds `count` values to the bucket with this key at `scale`. The recorder takes the coarser of
   * the two scales.
   */
  addKey(key: number, scale: number, count: number): void {
    if (scale < this.#scale) this.#coarsen(scale)
    const ours = coarserKey(key, scale - this.#scale)
    this.#counts.set(ours, (this.#counts.get(ours) ?? 0) + count)
    this.#total += count
  }

  /** Adds all values of a histogram. */
  merge(histogram: ExponentialHistogram): void {
    const scale = histogram[0]!
    if (scale < this.#scale) this.#coarsen(scale)
    for (let at = 1; at < histogram.length; at += 2) this.addKey(histogram[at]!, scale, histogram[at + 1]!)
  }

  /** The histogram, or null if nothing was recorded. */
  histogram(): ExponentialHistogram | null {
    if (this.#total === 0) return null
    const keys = [...this.#counts.keys()].sort((a, b) => a - b)
    return [this.#scale, ...keys.flatMap((key) => [key, this.#counts.get(key)!])]
  }

  #coarsen(scale: number): void {
    const by = this.#scale - scale
    const coarse = new Map<number, number>()
    for (const [key, count] of this.#counts) {
      const coarseKey = coarserKey(key, by)
      coarse.set(coarseKey, (coarse.get(coarseKey) ?? 0) + count)
    }
    this.#counts = coarse
    this.#scale = scale
  }
}

/** The histogram of finite values, or null if there are none. */
export function histogramOf(values: Iterable<number>): ExponentialHistogram | null {
  const recorder = new HistogramRecorder()
  for (const value of values) recorder.record(value)
  return recorder.histogram()
}

/**
 * Merges histograms: counts are added at the coarsest scale among them. Nulls are skipped; null if
 * nothing is left.
 *
 * Merging is associative and commutative, and gives the same result as recording all values in one
 * histogram. In SQL it is the aggregate `exp_histogram_merge(histogram)`.
 */
export function mergeHistograms(histograms: Iterable<ExponentialHistogram | null>): ExponentialHistogram | null {
  const recorder = new HistogramRecorder()
  for (const histogram of histograms) if (histogram !== null) recorder.merge(histogram)
  return recorder.histogram()
}

/**
 * The same histogram at a coarser scale.
 *
 * @throws InvalidInputError if `scale` is finer than the histogram's or below -10.
 */
export function downscale(histogram: ExponentialHistogram, scale: number): ExponentialHistogram {
  if (!Number.isInteger(scale) || scale > histogram[0]! || scale < scaleRange.min) {
    throw new InvalidInputError(
      'scale',
      `must be an integer from ${scaleRange.min} to the histogram's ${histogram[0]}, got ${preview(scale)}`,
    )
  }
  const by = histogram[0]! - scale
  const counts = new Map<number, number>()
  for (let at = 1; at < histogram.length; at += 2) {
    const key = coarserKey(histogram[at]!, by)
    counts.set(key, (counts.get(key) ?? 0) + histogram[at + 1]!)
  }
  // Keys ascend as values do, so the coarser keys were met in order.
  return [scale, ...[...counts].flat()]
}

/** The number of values in a histogram. */
export function histogramCount(histogram: ExponentialHistogram): number {
  let count = 0
  for (let at = 2; at < histogram.length; at += 2) count += histogram[at]!
  return count
}

/**
 * The nearest-rank quantile: the value of rank `max(1, ceil(q * count))`, within
 * `relativeError(scale)` of the exact one.
 *
 * In SQL it is `exp_histogram_quantile(histogram, q)`.
 *
 * @example
 * quantileOf(histogramOf([10, 20, 30, 40])!, 0.5) // 20 within 1.083 %
 *
 * @throws InvalidInputError if `q` is not between 0 and 1.
 */
export function quantileOf(histogram: ExponentialHistogram, q: number): number {
  const rank = quantileRank(histogramCount(histogram), q)
  let seen = 0
  for (let at = 1; at < histogram.length; at += 2) {
    seen += histogram[at + 1]!
    if (seen >= rank) return bucketValue(histogram[at]!, histogram[0]!)
  }
  throw new InvalidInputError('histogram', 'holds no values')
}

/** The rank, from 1, of the nearest-rank quantile among `count` values. */
export function quantileRank(count: number, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new InvalidInputError('q', `must be a number from 0 to 1, got ${preview(q)}`)
  // The 0.07 quantile of 100 values is the 7th, although 0.07 * 100 is more than 7 in floating
  // point.
  return Math.max(1, Math.ceil(partOf(q, count)))
}

/**
 * The bytes of a histogram as the database stores them; docs/schema.md describes them.
 *
 * In SQL it is `exp_histogram_encode(int8[])`. Counts above 2^63 - 1 are stored as that.
 *
 * @example
 * encodeHistogram(histogramOf([1, 1, 3])!) // 0f 11 0000010000 00 02 33 01
 *
 * @throws InvalidInputError if it is not as {@link ExponentialHistogram} describes.
 */
export function encodeHistogram(histogram: ExponentialHistogram): Buffer {
  checkHistogram(histogram)
  const scale = histogram[0]!
  const keys = histogram.filter((key, at) => at % 2 === 1 && key !== 0)
  const smallest = keys[0] ?? 0
  const span = (keys.at(-1) ?? 0) - smallest
  let most = 0
  for (let at = 2; at < histogram.length; at += 2) most = Math.max(most, histogram[at]!)
  const distanceBytes = distanceWidths.find((bytes) => span < 256 ** bytes - 1)!
  const countBytes = countWidths.find((bytes) => most < 256 ** bytes) ?? 8
  const stride = distanceBytes + countBytes
  const bytes = Buffer.alloc(firstBucket + ((histogram.length - 1) / 2) * stride)
  bytes.writeUInt8(scale + 10, 0)
  bytes.writeUInt8(16 * distanceBytes + countBytes, 1)
  bytes.writeIntBE(smallest, 2, 5)
  for (let at = 1, to = firstBucket; at < histogram.length; at += 2, to += stride) {
    const key = histogram[at]!
    bytes.writeUIntBE(key === 0 ? 256 ** distanceBytes - 1 : key - smallest, to, distanceBytes)
    const count = histogram[at + 1]!
    if (countBytes === 8) bytes.writeBigUInt64BE(count < 2 ** 63 ? BigInt(count) : 2n ** 63n - 1n, to + distanceBytes)
    else bytes.writeUIntBE(count, to + distanceBytes, countBytes)
  }
  return bytes
}

/**
 * The histogram of the bytes in a column of the database.
 *
 * In SQL it is `exp_histogram_decode(bytea)`. Counts above 2^53 are rounded.
 *
 * @throws InvalidInputError if they are not the bytes of a histogram.
 */
export function decodeHistogram(stored: Uint8Array): ExponentialHistogram {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  const refuse = (problem: string) => new InvalidInputError('histogram', `${problem}, got ${preview(bytes.toString('hex'))}`)
  if (bytes.length <= firstBucket) throw refuse('must have at least 9 bytes')
  const scale = bytes.readUInt8(0) - 10
  const distanceBytes = bytes.readUInt8(1) >> 4
  const countBytes = bytes.readUInt8(1) & 15
  const stride = distanceBytes + countBytes
  if (!distanceWidths.includes(distanceBytes) || !countWidths.includes(countBytes))
    throw refuse('must have known widths in its second byte')
  if ((bytes.length - firstBucket) % stride !== 0) throw refuse('must have whole buckets')
  const smallest = bytes.readIntBE(2, 5)
  const histogram = [scale]
  for (let at = firstBucket; at < bytes.length; at += stride) {
    const distance = bytes.readUIntBE(at, distanceBytes)
    histogram.push(
      distance === 256 ** distanceBytes - 1 ? 0 : smallest + distance,
      countBytes === 8 ? Number(bytes.readBigUInt64BE(at + distanceBytes)) : bytes.readUIntBE(at + distanceBytes, countBytes),
    )
  }
  checkHistogram(histogram)
  return histogram
}

/** The bytes that a distance between keys, and a count, may have. */
const distanceWidths = [1, 2, 3, 5]
const countWidths = [1, 2, 3, 4, 8]

/** Scale, widths, and the smallest key come first. */
const firstBucket = 7

/** Keys of doubles are below 2^33 at every scale. */
const largestKey = 2 ** 38

function checkHistogram(histogram: ExponentialHistogram): void {
  const refuse = (problem: string) => new InvalidInputError('histogram', `${problem}, got ${preview(histogram)}`)
  if (!histogram.every(Number.isInteger)) throw refuse('must hold integers')
  if (histogram.length < 3 || histogram.length % 2 === 0) throw refuse('must be a scale followed by pairs of key and count')
  if (histogram[0]! < scaleRange.min || histogram[0]! > scaleRange.max) throw refuse('must have a scale from -10 to 20')
  for (let at = 1; at < histogram.length; at += 2) {
    if (Math.abs(histogram[at]!) > largestKey) throw refuse('must have keys up to 2^38')
    if (at > 1 && histogram[at]! <= histogram[at - 2]!) throw refuse('must have ascending keys')
    if (histogram[at + 1]! <= 0) throw refuse('must have positive counts')
  }
}
