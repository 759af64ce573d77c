import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedValues } from '../../../src/series/streaming/sortedValues.ts'

const median = (values: number[]) => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = (sorted.length - 1) / 2
  return sorted.length === 0 ? Number.NaN : (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2
}

it('has the medians that sorting gives, whatever comes and goes', () => {
  const values = fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 40 })
  fc.assert(
    fc.property(values, fc.nat(40), fc.integer({ min: -10, max: 10 }), (given, removed, centre) => {
      const sorted = new SortedValues()
      for (const value of given) sorted.add(value)
      for (const value of given.slice(0, removed)) sorted.remove(value)
      const left = given.slice(removed)
      expect(sorted.size).toBe(left.length)
      expect(sorted.median()).toBe(median(left))
      expect(sorted.medianDeviation(centre)).toBe(median(left.map((value) => Math.abs(value - centre))))
    }),
  )
})
