import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bucketUpperBound,
  bucketValue,
  decodeHistogram,
  downscale,
  histogramCount,
  histogramOf,
  quantileOf,
  keyOf,
  mergeHistograms,
  quantileRank,
  relativeError,
  type ExponentialHistogram,
} from '../../../src/sketch/exponentialHistogram.ts'

/** Values whose relative precision is a double's: zero or at least the smallest normal number, of either sign, tiny and huge. */
const value = fc.oneof(
  fc.constant(0),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (Math.abs(number) < 2.3e-308 ? 0 : number)),
  fc.double({ min: -1000, max: 1000, noNaN: true }).map((number) => (Math.abs(number) < 1e-300 ? 0 : number)),
  fc.integer({ min: -1074 + 52, max: 1023 }).map((exponent) => 2 ** exponent),
)
const values = fc.array(value, { minLength: 1, maxLength: 60 })
const scale = fc.integer({ min: -10, max: 5 })
const histogram = fc.tuple(values, scale).map(([list, to]): ExponentialHistogram => downscale(histogramOf(list)!, to))

const nearestRank = (list: readonly number[], q: number) => list.toSorted((a, b) => a - b)[quantileRank(list.length, q) - 1]!

describe('keys', () => {
  it('follows the specification: the upper bound of a bucket belongs to it', () => {
    // 1 is the upper bound of bucket -1 at every scale, whose key is -1 + 2^16 + 1 at scale 5; 2 that of bucket 31.
    expect(keyOf(1)).toBe(65_536)
    expect(keyOf(1 + Number.EPSILON)).toBe(65_537)
    expect(keyOf(2)).toBe(65_568)
    expect(keyOf(-2)).toBe(-65_568)
    expect(keyOf(0)).toBe(0)
    expect(keyOf(-0)).toBe(0)
    expect(keyOf(Number.MIN_VALUE)).toBe(31_168)
    expect(keyOf(Number.MAX_VALUE)).toBe(98_304)
  })

  it('ascends as the values do', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        fc.pre(a < b)
        expect(keyOf(a)).toBeLessThanOrEqual(keyOf(b))
      }),
    )
  })

  it('puts a value at or below the upper bound of its bucket and above that of the one before', () => {
    fc.assert(
      fc.property(
        value.filter((number) => number > 0),
        (number) => {
          expect(number).toBeLessThanOrEqual(bucketUpperBound(keyOf(number), 5))
          expect(number).toBeGreaterThan(bucketUpperBound(keyOf(number) - 1, 5))
        },
      ),
    )
  })
})

describe('quantiles', () => {
  it('are within the stated error of the exact nearest-rank quantile', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (list, q) => {
        const exact = nearestRank(list, q)
        const read = quantileOf(histogramOf(list)!, q)
        expect(Math.abs(read - exact)).toBeLessThanOrEqual(relativeError(5) * Math.abs(exact) * (1 + 1e-12))
      }),
    )
  })

  it('stay within the error of their scale when the histogram is made coarser', () => {
    fc.assert(
      fc.property(values, scale, fc.double({ min: 0, max: 1, noNaN: true }), (list, to, q) => {
        const exact = nearestRank(list, q)
        const read = quantileOf(downscale(histogramOf(list)!, to), q)
        expect(Math.abs(read - exact)).toBeLessThanOrEqual(relativeError(to) * Math.abs(exact) * (1 + 1e-9))
      }),
    )
  })

  it('states 1.083 % for the recording scale', () => {
    expect(relativeError(5)).toBeCloseTo(0.01083, 5)
    expect(bucketValue(keyOf(100), 5)).toBeCloseTo(99.77, 2)
  })

  it.each([-0.1, 1.1, Number.NaN])('refuses q = %s by name', (q) => {
    expect(() => quantileOf(histogramOf([1])!, q)).toThrow('q: must be a number from 0 to 1')
  })
})

describe('merging', () => {
  it('is what recording everything together is', () => {
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 5 }), (lists) => {
        expect(mergeHistograms(lists.map(histogramOf))).toEqual(histogramOf(lists.flat()))
      }),
    )
  })

  it('is associative and commutative, whatever the scales', () => {
    fc.assert(
      fc.property(histogram, histogram, histogram, (a, b, c) => {
        const together = mergeHistograms([a, b, c])
        expect(mergeHistograms([mergeHistograms([a, b]), c])).toEqual(together)
        expect(mergeHistograms([a, mergeHistograms([b, c])])).toEqual(together)
        expect(mergeHistograms([c, b, a])).toEqual(together)
        expect(histogramCount(together!)).toBe(histogramCount(a) + histogramCount(b) + histogramCount(c))
      }),
    )
  })

  it('commutes with making coarser', () => {
    fc.assert(
      fc.property(values, values, scale, (a, b, to) => {
        const merged = mergeHistograms([histogramOf(a), histogramOf(b)])!
        expect(mergeHistograms([downscale(histogramOf(a)!, to), downscale(histogramOf(b)!, to)])).toEqual(downscale(merged, to))
      }),
    )
  })

  it('skips nulls, and of nothing makes null', () => {
    expect(mergeHistograms([null, [5, 0, 1], null])).toEqual([5, 0, 1])
    expect(mergeHistograms([null])).toBeNull()
    expect(histogramOf([])).toBeNull()
  })

  it('makes coarser in any number of steps', () => {
    fc.assert(
      fc.property(values, scale, scale, (list, a, b) => {
        const [finer, coarser] = a > b ? [a, b] : [b, a]
        const whole = histogramOf(list)!
        expect(downscale(downscale(whole, finer), coarser)).toEqual(downscale(whole, coarser))
      }),
    )
  })
})

describe('encoding', () => {
  it('reads what the driver delivers', () => {
    expect(decodeHistogram(['5', '-65568', '1', '0', '2', '65536', '3'])).toEqual([5, -65_568, 1, 0, 2, 65_536, 3])
  })

  it.each([
    [[5, 1], 'pairs'],
    [[21, 1, 1], 'scale'],
    [[5, 2, 1, 1, 1], 'ascending'],
    [[5, 1, 0], 'positive'],
    [['x', 1, 1], 'integers'],
  ])('refuses %j', (encoded, problem) => {
    expect(() => decodeHistogram(encoded)).toThrow(problem)
  })

  it('refuses values that lie in no bucket', () => {
    expect(() => histogramOf([Number.NaN])).toThrow('value: must be a finite number, got NaN')
    expect(() => downscale([3, 0, 1], 4)).toThrow('scale')
  })
})
