import fc from 'fast-check'
import { bucketAt } from '../../support/points.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'

/** Values as measurements are: mostly ordinary, sometimes missing, sometimes what no measurement should be. */
const ordinary = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }))
const odd = fc.constantFrom(null, Number.NaN, Infinity, -Infinity, 1e300, -1e300, 1e-300, 1e100, 1e-100, 5e-324, -5e-324)

export interface ArbitraryPoints {
  /** Only ordinary values, and nulls. */
  finite?: boolean
  /** Points stand where five-minute buckets begin; otherwise anywhere. */
  aligned?: boolean
}

/** The points of up to two series, in the order of series and time, with gaps. No zero has a sign. */
export function arbitraryPoints({ finite = false, aligned = true }: ArbitraryPoints = {}): fc.Arbitrary<SeriesRow[]> {
  const value = finite ? fc.oneof({ weight: 5, arbitrary: ordinary }, fc.constant(null)) : fc.oneof({ weight: 5, arbitrary: ordinary }, odd)
  const series = fc.constantFrom('a', `b "quoted" it's`)
  const seconds = aligned ? fc.nat(60).map((index) => index * 300) : fc.nat(18_000)
  return fc
    .uniqueArray(fc.tuple(series, seconds, value), { maxLength: 40, selector: ([name, second]) => `${name} ${second}` })
    .map((given) =>
      given
        .map(([name, second, point]) => ({
          series: name,
          bucket: new Date(bucketAt(0).getTime() + second * 1000),
          value: point === 0 ? 0 : point,
        }))
        .sort((one, other) =>
          one.series === other.series ? one.bucket.getTime() - other.bucket.getTime() : one.series < other.series ? -1 : 1,
        ),
    )
}

/** What the algebra computes with: magnitudes below 1e-100 are 0, above 1e100 infinite. */
export function bounded(value: number | null): number | null {
  if (value === null || Number.isNaN(value)) return value
  if (Math.abs(value) > 1e100) return value * Infinity
  return Math.abs(value) < 1e-100 ? 0 : value
}

/** The same points with bounded values. */
export const boundedAll = (given: readonly SeriesRow[]): SeriesRow[] => given.map((point) => ({ ...point, value: bounded(point.value) }))

/** Rows compared with a tolerance for rounding: relative to the value, and to `scale`. */
export const near = (value: number | null, scale = 0): unknown =>
  value === null || !Number.isFinite(value) || (value === 0 && scale === 0)
    ? value
    : {
        asymmetricMatch: (actual: unknown) =>
          typeof actual === 'number' && Math.abs(actual - value) <= 1e-9 * Math.max(Math.abs(value), scale),
      }
