import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ndcg, recall, reciprocalRank } from '../../../src/knowledge/rankingMetrics.ts'

const relevance = new Map([
  ['a', 3],
  ['b', 2],
  ['c', 1],
  ['d', 0],
  ['e', -1],
])

describe('the quality of a ranking', () => {
  // By hand: 1 / log2(2) = 1, 1 / log2(3) = .63093, 1 / log2(4) = .5; the best order has 3 + 2 (.63093) + .5 = 4.76186.
  it.each([
    [['a', 'b', 'c'], 10, 1, 1, 1],
    [['c', 'b', 'a'], 10, (1 + 2 * 0.63093 + 3 * 0.5) / 4.76186, 1, 1],
    [['x', 'b', 'd', 'a'], 10, (2 * 0.63093 + 3 * 0.43068) / 4.76186, 2 / 3, 1 / 2],
    [['x', 'b', 'd', 'a'], 3, (2 * 0.63093) / 4.76186, 1 / 3, 1 / 2],
    [['d', 'e', 'x', 'c'], 3, 0, 0, 0],
    [['b'], 1, 2 / 3, 1 / 3, 1],
    [[], 10, 0, 0, 0],
    // An item that comes again stands where it came first, and takes no second place.
    [['x', 'b', 'b', 'x', 'a'], 3, (2 * 0.63093 + 3 * 0.5) / 4.76186, 2 / 3, 1 / 2],
  ])('of %j at %d', (ranking, places, gain, found, reciprocal) => {
    expect(ndcg(ranking, relevance, places)).toBeCloseTo(gain, 4)
    expect(recall(ranking, relevance, places)).toBeCloseTo(found, 12)
    expect(reciprocalRank(ranking, relevance, places)).toBeCloseTo(reciprocal, 12)
  })

  it('is null where nothing is relevant', () => {
    for (const metric of [ndcg, recall, reciprocalRank]) {
      expect(metric(['a'], new Map(), 10)).toBeNull()
      expect(metric(['a'], new Map([['a', 0]]), 10)).toBeNull()
    }
  })

  it('is between 0 and 1, and 1 for the best order', () => {
    const items = fc.uniqueArray(fc.tuple(fc.string(), fc.integer({ min: 1, max: 4 })), { selector: ([item]) => item, minLength: 1 })
    fc.assert(
      fc.property(items, fc.array(fc.string()), fc.integer({ min: 1, max: 20 }), (given, others, places) => {
        const known = new Map(given)
        const best = given.toSorted(([, a], [, b]) => b - a).map(([item]) => item)
        expect(ndcg(best, known, places)).toBeCloseTo(1, 12)
        expect(reciprocalRank(best, known, places)).toBe(1)
        for (const metric of [ndcg, recall, reciprocalRank]) {
          const value = metric([...others, ...best], known, places)!
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(1 + 1e-12)
        }
      }),
    )
  })
})
