import fc from 'fast-check'
import { expect, it } from 'vitest'
import { last, milliseconds } from '../../../src/database/range.ts'
import { decimalFraction, partOf } from '../../../src/schema/decimal.ts'
import { quantileRank } from '../../../src/sketch/exponentialHistogram.ts'

const decimal = fc.tuple(fc.integer({ min: 1, max: 10 ** 6 }), fc.integer({ min: 0, max: 6 }))

it.each([
  [0.999, 999, 1_000],
  [14.4, 144, 10],
  [0, 0, 1],
  [-0.05, -5, 100],
  [1e-20, 1, 1e20],
  [7, 7, 1],
])('%d is a fraction of whole numbers', (value, numerator, denominator) => {
  expect(decimalFraction(value)).toEqual({ numerator, denominator })
})

it('is the number again, whatever it is', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const { numerator, denominator } = decimalFraction(value)
      expect(numerator / denominator).toBe(value)
    }),
  )
})

it('takes exactly the part that was typed of an amount', () => {
  fc.assert(
    fc.property(decimal, fc.integer({ min: 1, max: 1_000 }), ([digits, decimals], times) => {
      expect(partOf(digits / 10 ** decimals, times * 10 ** decimals)).toBe(digits * times)
    }),
  )
})

it('counts the ranks of quantiles with it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 10_000 }), (percent, hundreds) => {
      expect(quantileRank(hundreds * 100, percent / 100)).toBe(percent * hundreds)
    }),
  )
})

it('takes durations for what they were typed as', () => {
  expect(milliseconds('0.07 seconds')).toBe(70)
  expect(milliseconds('1.1 minutes 0.29 seconds')).toBe(66_290)
  expect(last('0.28 hours', () => new Date(1_008_000)).from.getTime()).toBe(0)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 6 }), (thousandths) => {
      expect(milliseconds(`${Math.floor(thousandths / 1_000)}.${`${thousandths % 1_000}`.padStart(3, '0')} seconds`)).toBe(thousandths)
    }),
  )
})
