import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { baselineSeries } from '../../../src/series/anomalies/baselineSeries.ts'
import type { ComparisonOptions } from '../../../src/series/comparison/compareSamples.ts'
import { compareSeries } from '../../../src/series/comparison/compareSeries.ts'
import { compareWindows } from '../../../src/series/comparison/compareWindows.ts'
import { seasonalBaseline } from '../../../src/series/anomalies/seasonalBaseline.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { noise } from './noise.ts'

apartFromTime('windows of time', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  /** Hours from Monday 2026-08-31 00:00 UTC on. */
  const hour = (index: number) => new Date(Date.UTC(2026, 7, 31) + index * 3_600_000)

  describe('seasonalBaseline', () => {
    const weekly = (values: (index: number) => number | null, weeks = 5, series = 'a'): SeriesRow[] =>
      Array.from({ length: 168 * weeks }, (_, index) => ({ series, bucket: hour(index), value: values(index) }))

    it('is the median of each hour of the week, Monday first, with its spread', async () => {
      const rows = await seasonalBaseline(
        scope,
        frameOf(
          scope,
          weekly((index) => (index % 168) * 10 + [0, 5, 1, 2, 900][Math.floor(index / 168)]!),
        ),
      ).execute()
      expect(rows).toHaveLength(168)
      // Of 0 1 2 5 900 the median is 2, the deviations from it are 2 1 0 3 898 with median 2.
      expect(rows[0]).toEqual({ series: 'a', slot: 0, slot_start_s: 0, expected: 2, spread: expect.closeTo(2 * 1.4826, 12), points: 5 })
      expect(rows[167]).toMatchObject({ slot: 167, slot_start_s: 167 * 3_600, expected: 1_672 })
    })

    it('divides any season into any slots, before 2000 too', async () => {
      const given = [1, 2, 3, 4, 5, 6, 7, 8].map((value, index) => ({
        series: 'a',
        bucket: new Date(Date.UTC(1999, 11, 31) + index * 6 * 3_600_000),
        value,
      }))
      const rows = await seasonalBaseline(scope, frameOf(scope, given), { season: '1 day', slot: '12 hours' }).execute()
      expect(rows).toMatchObject([
        { slot: 0, slot_start_s: 0, expected: 3.5, points: 4 },
        { slot: 1, slot_start_s: 43_200, expected: 5.5, points: 4 },
      ])
    })

    it('has no row where nothing was measured, and no spread where one point was', async () => {
      const given = points('a', [1, null, Number.NaN, Infinity])
      expect(await seasonalBaseline(scope, frameOf(scope, given)).execute()).toMatchObject([{ expected: 1, spread: 0, points: 1 }])
      expect(await seasonalBaseline(scope, frameOf(scope, [])).execute()).toEqual([])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        seasonalBaseline(scope, frameOf(scope, [...weekly((index) => index, 2, 'a'), ...weekly(() => 1, 2, 'b')])),
        (eb) => eb('slot', '<', 24),
        (row) => row.slot < 24,
      ))

    it('is laid over a range with a band, also over time that has not come', async () => {
      const given = weekly((index) => (index % 168) + [0, 1, 2][Math.floor(index / 168)]!, 3)
      const range = { from: hour(168 * 10 + 5.5), to: hour(168 * 11 + 2) }
      const rows = await baselineSeries(scope, frameOf(scope, given), { range, spreads: 2 }).execute()
      expect(rows).toHaveLength(164)
      const spread = 2 * 1.4826
      expect(rows[0]).toEqual({
        series: 'a',
        bucket: hour(168 * 10 + 6),
        value: 7,
        lower: expect.closeTo(7 - spread, 12),
        upper: expect.closeTo(7 + spread, 12),
      })
      expect(rows.at(-1)).toMatchObject({ bucket: hour(168 * 11 + 1), value: 2 })
    })

    it('leaves gaps over slots that it knows nothing of', async () => {
      const given = weekly((index) => (index % 2 === 0 ? 7 : null), 2)
      const rows = await baselineSeries(scope, frameOf(scope, given), { range: { from: hour(0), to: hour(6) } }).execute()
      expect(rows.map(({ bucket }) => bucket)).toEqual([hour(0), hour(2), hour(4)])
      expect(await baselineSeries(scope, frameOf(scope, given), { range: { from: hour(0), to: hour(0) } }).execute()).toEqual([])
    })

    it('refuses by name what is no season', () => {
      const frame = frameOf(scope, [])
      expect(() => seasonalBaseline(scope, frame, { season: '1 day', slot: '7 hours' })).toThrow(/^slot: .*"7 hours"/)
      expect(() => baselineSeries(scope, frame, { range: { from: hour(0), to: hour(1) }, spreads: -1 })).toThrow(/^spreads: .*-1/)
    })
  })

  describe('compareWindows', () => {
    const before = { from: bucketAt(0), to: bucketAt(100) }
    const after = { from: bucketAt(100), to: bucketAt(200) }
    const sampled = (baseline: readonly (number | null)[], candidate: readonly (number | null)[], series = 'a') => [
      ...points(series, baseline),
      ...candidate.map((value, index) => ({ series, bucket: bucketAt(100 + index), value })),
    ]
    const compared = (given: SeriesRow[], options: ComparisonOptions = {}) =>
      compareWindows(scope, frameOf(scope, given), { baseline: before, candidate: after, ...options }).execute()

    // The p-values are those of scipy.stats.mannwhitneyu(candidate, baseline, method='asymptotic').
    it.each([
      // Hollander and Wolfe, "Nonparametric Statistical Methods", example 3.1: depression before and after a tranquilizer.
      [
        [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3],
        [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29],
        (2 * 23) / 81 - 1,
        0.13291945818531892,
      ],
      [[1, 2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8, 9, 10, 11, 12], 0.75, 0.013313002763816655],
      [[1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [3, 3, 4, 4, 5, 5, 6, 6, 7, 7], 0.64, 0.015856209681046226],
      [[1, 2, 3], [4, 5, 6], 1, 0.0808555983700422],
      [[5, 5, 5], [5, 5, 5], 0, 1],
    ])('agrees with the textbook on %j and %j', async (baseline, candidate, effect, pValue) => {
      const [row] = await compared(sampled(baseline, candidate))
      expect(row!.effect).toBeCloseTo(effect, 12)
      expect(row!.p_value).toBeCloseTo(pValue, 12)
    })

    it('says whether the candidate is above, below, the same, or cannot be told', async () => {
      const random = noise(1)
      const sample = (length: number, level: number) => Array.from({ length }, () => level + random())
      const rows = await compared([
        ...sampled(sample(60, 10), sample(30, 12), 'slower'),
        ...sampled(sample(60, 10), sample(30, 8), 'faster'),
        ...sampled(sample(60, 10), sample(30, 10), 'as before'),
        ...sampled(sample(60, 10), sample(7, 90), 'new'),
        ...sampled(sample(60, 10), [], 'gone'),
      ])
      expect(Object.fromEntries(rows.map(({ series, verdict }) => [series, verdict]))).toEqual({
        slower: 'up',
        faster: 'down',
        'as before': 'same',
        new: 'unknown',
        gone: 'unknown',
      })
      expect(rows[0]).toMatchObject({ series: 'new', effect: 1, score: 1, item: 'new', baseline_points: 60, candidate_points: 7 })
      expect(rows.at(-1)).toMatchObject({
        series: 'gone',
        candidate_points: 0,
        candidate_median: null,
        shift: null,
        effect: null,
        score: null,
      })
    })

    it('asks for significance and for size', async () => {
      const given = sampled(
        Array.from({ length: 100 }, (_, index) => index),
        Array.from({ length: 100 }, (_, index) => index + 15),
      )
      expect(await compared(given)).toMatchObject([{ verdict: 'same', shift: 15, baseline_median: 49.5, candidate_median: 64.5 }])
      expect(await compared(given, { minEffect: 0.2 })).toMatchObject([{ verdict: 'up' }])
      expect(await compared(given, { minEffect: 0.2, alpha: 1e-6 })).toMatchObject([{ verdict: 'same' }])
      expect(await compared(given, { minEffect: 0.2, minPoints: 101 })).toMatchObject([{ verdict: 'unknown' }])
    })

    it('knows only ranks: a spike is one point, and what no number is is none', async () => {
      const level = [1, 2, 3, 4, 5, 6, 7, 8, 9]
      const [calm] = await compared(sampled(level, [...level, 10]))
      const [spiked] = await compared(sampled([...level, null, Number.NaN], [...level, 1e9, Infinity]))
      expect(spiked).toEqual(calm)
    })

    it('takes windows for half-open, and no account of what is outside of them', async () => {
      const given = points('a', [...Array<number>(50).fill(1), ...Array<number>(150).fill(2)])
      const rows = await compareWindows(scope, frameOf(scope, given), {
        baseline: { from: bucketAt(40), to: bucketAt(50) },
        candidate: { from: bucketAt(50), to: bucketAt(60) },
      }).execute()
      expect(rows).toMatchObject([{ baseline_points: 10, candidate_points: 10, effect: 1, verdict: 'up' }])
    })

    it('compares two frames too', async () => {
      const [left, right] = [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [5, 6, 7, 8, 9, 10, 11, 12],
      ] as const
      const rows = await compareSeries(scope, {
        baseline: frameOf(scope, points('a', left)),
        candidate: frameOf(scope, points('a', right)),
      }).execute()
      expect(rows).toEqual(await compared(sampled(left, right)))
    })

    it('has no rows for an empty frame, and is narrowed in SQL as in TypeScript', async () => {
      expect(await compared([])).toEqual([])
      const given = [...sampled([1, 2, 3], [4, 5, 6], 'a'), ...sampled([4, 5, 6], [1, 2, 3], 'b')]
      await expectNarrows(
        compareWindows(scope, frameOf(scope, given), { baseline: before, candidate: after }),
        (eb) => eb('effect', '>', 0),
        (row) => row.effect! > 0,
      )
    })

    it('refuses windows that overlap and options out of range, by name', () => {
      const compare = (options: object) => () =>
        compareWindows(scope, frameOf(scope, []), { baseline: before, candidate: after, ...options })
      expect(compare({ candidate: { from: bucketAt(99), to: bucketAt(120) } })).toThrow(/^candidate: must not overlap the baseline/)
      expect(compare({ baseline: { from: bucketAt(9), to: bucketAt(1) } })).toThrow(/^baseline\.from: /)
      expect(compare({ alpha: 0 })).toThrow(/^alpha: .*0/)
      expect(compare({ minEffect: 1.1 })).toThrow(/^minEffect: .*1\.1/)
      expect(compare({ minPoint: 3 })).toThrow(/^options: has no key "minPoint"/)
    })
  })
})
