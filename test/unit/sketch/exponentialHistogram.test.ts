import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bucketUpperBound,
  bucketValue,
  decodeHistogram,
  downscale,
  encodeHistogram,
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
  it.each([
    ['0f 11 0000010000 00 02 33 01', [5, 65_536, 2, 65_587, 1]],
    // Key 0 is all ones, wherever it stands, so that it does not make the others far.
    ['0f 11 0000010000 ff 03 00 01', [5, 0, 3, 65_536, 1]],
    ['0f 11 0000000000 ff 01', [5, 0, 1]],
    ['0f 11 fffffeffff 00 01 ff 02', [5, -65_537, 1, 0, 2]],
    ['0f 31 fffffeffff 000000 01 ffffff 02 020003 03', [5, -65_537, 1, 0, 2, 65_538, 3]],
    // 254 is the longest distance of one byte.
    ['0f 11 0000000001 00 01 fe 01', [5, 1, 1, 255, 1]],
    ['0f 21 0000000001 0000 01 00ff 01', [5, 1, 1, 256, 1]],
    ['0f 12 0000000001 00 0100', [5, 1, 256]],
    ['0f 13 0000000001 00 010000', [5, 1, 65_536]],
    ['0f 14 0000000001 00 01000000', [5, 1, 2 ** 24]],
    ['0f 18 0000000001 00 0000000100000000', [5, 1, 2 ** 32]],
    ['1e 11 0080000001 00 01', [20, 2 ** 31 + 1, 1]],
    ['00 11 0000000003 00 07', [-10, 3, 7]],
  ])('is %s', (hex, histogram) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    expect(encodeHistogram(histogram).toString('hex')).toBe(bytes.toString('hex'))
    expect(decodeHistogram(bytes)).toEqual(histogram)
  })

  it('gives every histogram back', () => {
    fc.assert(
      fc.property(values, scale, (list, to) => {
        const histogram = downscale(histogramOf(list)!, to)
        expect(decodeHistogram(encodeHistogram(histogram))).toEqual(histogram)
      }),
    )
  })

  it('limits a count to what the database holds', () => {
    expect(encodeHistogram([5, 1, 1e30]).toString('hex')).toBe('0f180000000001007fffffffffffffff')
  })

  it.each([
    [[5, 1], 'pairs'],
    [[21, 1, 1], 'scale'],
    [[5, 2, 1, 1, 1], 'ascending'],
    [[5, 1, 0], 'positive'],
    [[5, 1.5, 1], 'integers'],
    [[5, 2 ** 39, 1], 'keys'],
  ])('refuses %j', (histogram, problem) => {
    expect(() => encodeHistogram(histogram)).toThrow(problem)
  })

  it.each([
    ['', 'at least 9 bytes'],
    ['0f110000000001', 'at least 9 bytes'],
    ['1f1100000000010001', 'scale'],
    ['0f4100000000010001', 'widths'],
    ['0f110000000001000100', 'whole buckets'],
    ['0f1100000000010000', 'positive'],
    ['0f11000000000101010001', 'ascending'],
  ])('refuses the bytes %j', (hex, problem) => {
    expect(() => decodeHistogram(Buffer.from(hex, 'hex'))).toThrow(problem)
  })

  it('refuses values that lie in no bucket', () => {
    expect(() => histogramOf([Number.NaN])).toThrow('value: must be a finite number, got NaN')
    expect(() => downscale([3, 0, 1], 4)).toThrow('scale')
  })
})
