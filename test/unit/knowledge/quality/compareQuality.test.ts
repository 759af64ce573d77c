import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareQuality } from '../../../../src/knowledge/quality/compareQuality.ts'
import { qualityOf, type QuestionFigures } from '../../../../src/knowledge/quality/figures.ts'
import type { RetrievalQuality } from '../../../../src/knowledge/quality/retrievalQuality.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'

const figures = (ndcg: number): QuestionFigures => ({
  recall: ndcg,
  reciprocalRank: ndcg,
  ndcg,
  firstRelevant: ndcg > 0 ? 1 : null,
  cut: false,
})

/** A measurement by words alone: questions and their nDCG. */
function quality(ndcgs: Record<string, number>, limit = 10): RetrievalQuality {
  const unmeasured = { vector: null, hybrid: null, reranked: null }
  const questions = Object.entries(ndcgs).map(([question, ndcg]) => ({ question, missing: [], lexical: figures(ndcg), ...unmeasured }))
  return { limit, lexical: qualityOf(questions.map(({ lexical }) => lexical)), ...unmeasured, missing: [], questions }
}

describe('compareQuality', () => {
  it('takes the mean of the differences, question by question, with its standard error', () => {
    const change = compareQuality(quality({ a: 1, b: 0.5, c: 0.5 }), quality({ c: 0.75, b: 0.25, a: 0.25 }))
    expect(change).toMatchObject({ compared: 3, notCompared: [], vector: null, hybrid: null, reranked: null })
    // Of -.75, -.25 and .25.
    expect(change.lexical).toMatchObject({ ndcg: { difference: -0.25, better: 1, worse: 2 }, worse: ['a', 'b'] })
    expect(change.lexical!.ndcg.standardError).toBeCloseTo(0.5 / Math.sqrt(3), 12)
    expect(change.lexical!.recall).toEqual(change.lexical!.ndcg)
  })

  it('leaves out, and names, the questions that only one of both has', () => {
    const change = compareQuality(quality({ a: 1, b: 0, gone: 1 }), quality({ a: 1, b: 1, fresh: 0 }))
    expect(change).toMatchObject({ compared: 2, notCompared: ['gone', 'fresh'], lexical: { ndcg: { difference: 0.5 }, worse: [] } })
  })

  it('sees a change in which questions agree, where the means alone would not', () => {
    const before = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`q${at}`, (at % 10) / 20]))
    const after = Object.fromEntries(Object.entries(before).map(([question, ndcg], at) => [question, ndcg + 0.05 + (at % 2) * 0.01]))
    const [first, second] = [quality(before), quality(after)]
    const { difference, standardError } = compareQuality(first, second).lexical!.ndcg
    expect(difference).toBeGreaterThan(20 * standardError!)
    expect(difference).toBeLessThan(2 * first.lexical!.ndcg.standardError!)
  })

  it('gives no standard error of one question', () => {
    expect(compareQuality(quality({ a: 1 }), quality({ a: 0 })).lexical!.ndcg).toEqual({
      difference: -1,
      standardError: null,
      better: 0,
      worse: 1,
    })
  })

  it('is the difference of the means, finds nothing between the same, and turns round when the two are', () => {
    const ndcgs = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 20 })
    fc.assert(
      fc.property(ndcgs, ndcgs, (first, second) => {
        const length = Math.min(first.length, second.length)
        const [a, b] = [first, second].map((all) => quality(Object.fromEntries(all.slice(0, length).map((ndcg, at) => [`q${at}`, ndcg]))))
        const there = compareQuality(a!, b!).lexical!.ndcg
        const back = compareQuality(b!, a!).lexical!.ndcg
        expect(there.difference).toBeCloseTo(b!.lexical!.ndcg.mean - a!.lexical!.ndcg.mean, 12)
        expect(back.difference).toBeCloseTo(-there.difference, 12)
        expect(back.standardError).toBeCloseTo(there.standardError!, 12)
        expect([back.better, back.worse]).toEqual([there.worse, there.better])
        expect(compareQuality(a!, a!).lexical!.ndcg).toEqual({ difference: 0, standardError: 0, better: 0, worse: 0 })
      }),
    )
  })

  it('takes measurements that were kept as JSON', () => {
    const [before, after] = [quality({ a: 1, b: 0 }), quality({ a: 0, b: 0 })]
    const kept = JSON.parse(JSON.stringify(before)) as RetrievalQuality
    expect(kept).toEqual(before)
    expect(compareQuality(kept, after)).toEqual(compareQuality(before, after))
  })

  it.each([
    ['before', null, 'before'],
    [
      'a figure',
      { ...quality({ a: 1 }), questions: [{ ...quality({ a: 1 }).questions[0]!, lexical: figures(Number.NaN) }] },
      'before.questions[0].lexical.recall',
    ],
    ['another limit', quality({ a: 1 }, 5), 'after.limit'],
    ['other questions', quality({ b: 1 }), 'after.questions'],
  ])('refuses %s, by its name', (_, before, field) => {
    const outcome = () => compareQuality(before as RetrievalQuality, quality({ a: 1 }))
    expect(outcome).toThrow(InvalidInputError)
    expect(outcome).toThrow(expect.objectContaining({ field }) as Error)
  })
})
