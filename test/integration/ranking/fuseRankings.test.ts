import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sql } from 'kysely'
import type { Scope } from '../../../src/database/scope.ts'
import { finished } from '../../../src/database/finished.ts'
import { fuseRankings, type FusedItem, type FusionMethod } from '../../../src/ranking/fuseRankings.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'

interface Scored {
  item: string
  score: number | null
}

apartFromTime('fuseRankings', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const rankingOf = (rows: readonly Scored[]) => {
    const items = rows.map(({ item }) => item)
    const scores = rows.map(({ score }) => (score === null ? null : String(score)))
    return finished(scope, sql<Scored>`(select * from unnest(${items}::text[], ${scores}::float8[]) as row (item, score))`, 'ranking')
  }
  const ranking = (scores: Record<string, number | null>) => rankingOf(Object.entries(scores).map(([item, score]) => ({ item, score })))
  const fused = async (rankings: Record<string, number | null>[], options = {}) =>
    fuseRankings(
      scope,
      rankings.map((scores) => ranking(scores)),
      options,
    ).execute()

  it('puts scores of any scale together by their lowest and highest', async () => {
    expect(
      await fused(
        [
          { a: 300, b: 200, c: 100 },
          { b: 0.9, d: 0.5, a: 0.4 },
        ],
        { weights: [0.25, 0.75] },
      ),
    ).toEqual([
      { item: 'b', score: 0.25 * 0.5 + 0.75, ranks: [2, 1], scores: [200, 0.9] },
      { item: 'a', score: 0.25, ranks: [1, 3], scores: [300, 0.4] },
      { item: 'd', score: 0.75 * ((0.5 - 0.4) / (0.9 - 0.4)), ranks: [null, 2], scores: [null, 0.5] },
      { item: 'c', score: 0, ranks: [3, null], scores: [100, null] },
    ])
  })

  it('adds reciprocal ranks, equal scores sharing one', async () => {
    expect(await fused([{ a: 9, b: 9, c: 1 }, { c: 5 }], { method: 'reciprocal-rank' })).toEqual([
      { item: 'c', score: 1 / 63 + 1 / 61, ranks: [3, 1], scores: [1, 5] },
      { item: 'a', score: 1 / 61, ranks: [1, null], scores: [9, null] },
      { item: 'b', score: 1 / 61, ranks: [1, null], scores: [9, null] },
    ])
  })

  it('places scores within three standard deviations of their mean', async () => {
    const rows = await fused([{ a: 1, b: 0 }], { method: 'distribution' })
    // Mean .5, deviation .5: one deviation is a sixth.
    expect(rows.map(({ item, score }) => [item, score])).toEqual([
      ['a', 1 / 6 + 0.5],
      ['b', -1 / 6 + 0.5],
    ])
  })

  it.each([
    ['min-max', 1],
    ['distribution', 0.5],
    ['reciprocal-rank', 1 / 61],
  ] as const)('gives a ranking of one item, or of equal ones, a defined share: %s', async (method, share) => {
    expect(await fused([{ a: 7 }], { method })).toEqual([{ item: 'a', score: share, ranks: [1], scores: [7] }])
    expect((await fused([{ b: 0, a: 0 }], { method })).map(({ item, score }) => [item, score])).toEqual([
      ['a', share],
      ['b', share],
    ])
  })

  it('takes what has no score for absent, and of an item given twice the higher score', async () => {
    const twice = rankingOf([
      { item: 'a', score: 1 },
      { item: 'a', score: 3 },
      { item: 'b', score: 2 },
      { item: 'null', score: null },
      { item: 'nan', score: Number.NaN },
      { item: 'infinite', score: Infinity },
      { item: 'least', score: -Infinity },
    ])
    expect(await fuseRankings(scope, [twice]).execute()).toEqual([
      { item: 'a', score: 1, ranks: [1], scores: [3] },
      { item: 'b', score: 0, ranks: [2], scores: [2] },
    ])
  })

  it('answers nothing for empty rankings, and one for what the others do not have', async () => {
    expect(await fused([{}, {}])).toEqual([])
    expect((await fused([{}, { a: 1 }])).map(({ score }) => score)).toEqual([0.5])
  })

  it('is narrowed in SQL as in TypeScript, and is a ranking itself', async () => {
    const read = fuseRankings(scope, [ranking({ a: 1, b: 2, c: 3 }), ranking({ c: 1, a: 5 })])
    await expectNarrows(
      read,
      (eb) => eb('score', '>', 0.3),
      ({ score }) => score > 0.3,
    )
    expect(await topK(scope, read, 1).execute()).toEqual((await read.execute()).slice(0, 1))
  })

  it.each([
    [[], {}, 'rankings: must hold at least one'],
    [[{ a: 1 }], { weights: [1, 2] }, 'weights: must be 1'],
    [[{ a: 1 }], { weights: [0] }, 'weights: must not all be 0'],
    [[{ a: 1 }], { weights: [-1] }, 'weights[0]: '],
    [[{ a: 1 }], { method: 'borda' }, 'method: '],
  ])('refuses %j with %j', async (rankings, options, message) => {
    await expect(fused(rankings, options)).rejects.toThrow(message)
  })

  it('is what the definition says, for any rankings', async () => {
    const scores = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'é', '😀'), fc.integer({ min: -5, max: 5 }))
    const methods = fc.constantFrom<FusionMethod>('min-max', 'distribution', 'reciprocal-rank')
    const cases = fc.tuple(fc.array(fc.tuple(scores, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 4 }), methods)
    await fc.assert(
      fc.asyncProperty(cases, async ([legs, method]) => {
        const rankings = legs.map(([ranking]) => ranking)
        const weights = legs.map(([, weight]) => weight)
        const rows = await fused(rankings, { method, weights })
        const expected = defined(rankings, weights, method)
        expect(rows.map(({ item, ranks, scores }) => ({ item, ranks, scores })).toSorted(byItem)).toEqual(
          expected.map(({ item, ranks, scores }) => ({ item, ranks, scores })).toSorted(byItem),
        )
        for (const { item, score } of rows) expect(score).toBeCloseTo(expected.find((row) => row.item === item)!.score, 12)
        expect(rows.map(({ score }) => score)).toEqual(rows.map(({ score }) => score).toSorted((a, b) => b - a))
      }),
      { numRuns: 60 },
    )
  })
})

const byItem = (a: { item: string }, b: { item: string }) => (a.item < b.item ? -1 : 1)

/** The definition, one item after the other. */
function defined(rankings: Record<string, number>[], weights: number[], method: FusionMethod): FusedItem[] {
  const part = (all: number[], score: number): number => {
    const [lowest, highest] = [Math.min(...all), Math.max(...all)]
    if (method === 'reciprocal-rank') return 1 / (61 + all.filter((other) => other > score).length)
    if (method === 'min-max') return highest > lowest ? (score - lowest) / (highest - lowest) : 1
    const mean = all.reduce((sum, one) => sum + one, 0) / all.length
    const deviation = Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / all.length)
    return deviation > 0 ? Math.min(Math.max((score - mean) / (6 * deviation) + 0.5, 0), 1) : 0.5
  }
  const total = method === 'reciprocal-rank' ? 1 : weights.reduce((sum, weight) => sum + weight, 0)
  const of = (ranking: Record<string, number>, item: string) => (Object.hasOwn(ranking, item) ? ranking[item]! : null)
  return [...new Set(rankings.flatMap((ranking) => Object.keys(ranking)))].map((item) => {
    const scores = rankings.map((ranking) => of(ranking, item))
    return {
      item,
      scores,
      ranks: rankings.map((ranking, at) =>
        scores[at] === null ? null : 1 + Object.values(ranking).filter((other) => other > scores[at]!).length,
      ),
      score: rankings.reduce(
        (sum, ranking, at) => (scores[at] === null ? sum : sum + (weights[at]! / total) * part(Object.values(ranking), scores[at]!)),
        0,
      ),
    }
  })
}
