import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import type { DetectionOptions } from '../../../src/series/anomalies/detection.ts'
import { firstDeparture } from '../../../src/series/anomalies/firstDeparture.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { during } from '../../support/rows.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'

apartFromTime('series', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const found = (given: SeriesRow[], options?: DetectionOptions) => anomalies(scope, frameOf(scope, given), options).execute()
  const calm = [10, 12, 11, 9, 10, 11, 10, 12, 9, 10, 11, 10]

  describe('anomalies', () => {
    it('scores what leaves the past hour by its median and median deviation', async () => {
      const rows = await found(points('a', [...calm, 30, 10, 2]))
      // Sorted, the hour before the 30 is 9 9 10 10 10 10 10 11 11 11 12 12: median 10, deviations 0 0 0 0 0 1 1 1 1 1 2 2 with median 1.
      expect(rows[0]).toEqual({
        series: 'a',
        item: 'a',
        bucket: bucketAt(12),
        value: 30,
        expected: 10,
        spread: expect.closeTo(1.4826, 12),
        score: expect.closeTo(20 / 1.4826, 12),
        direction: 'up',
      })
      expect(rows.slice(1)).toMatchObject([{ bucket: bucketAt(14), value: 2, direction: 'down' }])
    })

    it('judges each series by itself', async () => {
      const rows = await found([...points('low', [...calm, 10]), ...points('high', [...calm.map((value) => value * 100), 10])])
      expect(rows).toMatchObject([{ series: 'high', value: 10, expected: 1_000, direction: 'down' }])
    })

    it('never looks ahead, nor at the point itself', async () => {
      const past = await found(points('a', [...calm, 30]))
      const later = await found(points('a', [...calm, 30, 30, 30, 30, 1_000, 30]))
      expect(later[0]).toEqual(past[0])
      expect(past).toHaveLength(1)
    })

    it('looks back no further than the window, which holds its beginning and not its end', async () => {
      const given = points('a', [1, 1, 1, 1, 1, 1, 50, 50, 50, 50, 50, 1])
      expect(await found(given, { window: '25 minutes' })).toMatchObject([
        ...[6, 7, 8].map((index) => ({ bucket: bucketAt(index), expected: 1 })),
        { bucket: bucketAt(11), expected: 50 },
      ])
    })

    it('takes a level that lasts for the new normal once it fills half of the window', async () => {
      const rows = await found(points('a', [...Array<number>(12).fill(10), ...Array<number>(12).fill(20)]))
      expect(rows.map(({ bucket }) => bucket)).toEqual([0, 1, 2, 3, 4, 5].map((index) => bucketAt(12 + index)))
    })

    it.each([
      ['an empty frame', []],
      ['a single point', [7]],
      ['a constant', Array<number>(20).fill(42)],
      ['a constant zero', Array<number>(20).fill(0)],
      ['fewer points than it needs to judge', [1, 1, 1, 1, 1_000]],
      ['nothing but null and NaN', [null, Number.NaN, null, Number.NaN, null, Number.NaN, Infinity]],
      ['small moves of a calm series', [...Array<number>(12).fill(100), 104, 96, 119, 81]],
    ])('finds nothing in %s', async (_, values) => {
      expect(await found(points('a', values))).toEqual([])
    })

    it('is as if null, NaN, the infinities and what no measurement is were absent', async () => {
      const noise = [null, Number.NaN, Infinity, -Infinity, 1e300]
      const given = points('a', [...calm.slice(0, 7), ...noise, 30])
      const rows = await found(given)
      expect(rows).toEqual(await found(given.filter(({ value }) => value !== null && Math.abs(value) < 1e100)))
      expect(rows).toMatchObject([{ value: 30, expected: 10 }])
    })

    it('does not judge what comes right after a gap as long as the window, and judges after a shorter one', async () => {
      const gap = (length: number) => Array<undefined>(length).fill(undefined)
      expect(await found(points('a', [...calm, ...gap(12), 500]))).toEqual([])
      expect(await found(points('a', [...calm, ...gap(5), 500]))).toMatchObject([{ value: 500 }])
    })

    it('scores a departure from a constant by the floors', async () => {
      const departing = (constant: number, value: number) => points('a', [...Array<number>(12).fill(constant), value])
      expect(await found(departing(100, 150))).toMatchObject([{ spread: 5, score: 10 }])
      expect(await found(departing(100, 150), { floor: 0.5 })).toEqual([])
      expect(await found(departing(0, 0.3))).toMatchObject([{ spread: 0, score: Infinity }])
      expect(await found(departing(0, 0.3), { minSpread: 0.05 })).toMatchObject([{ spread: 0.05, score: expect.closeTo(6, 12) }])
      expect(await found(departing(0, 0.1), { minSpread: 0.05 })).toEqual([])
    })

    it('answers for any values, and never with a score at or below the threshold', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.double(), { maxLength: 30 }),
          fc.double({ min: 0, max: 10, noNaN: true }),
          async (values, threshold) => {
            const rows = await found(points('a', values), { threshold, floor: 0, minPoints: 1 })
            for (const { score, spread } of rows) {
              expect(score).toBeGreaterThan(threshold)
              expect(spread).toBeGreaterThanOrEqual(0)
            }
          },
        ),
        { numRuns: 60 },
      )
    })

    it('does not depend on the unit', async () => {
      const given = points('a', [...calm, 30, 10, 2])
      const scores = (await found(given)).map(({ score }) => score)
      const scaled = await found(given.map((point) => ({ ...point, value: point.value! * 1024 })))
      expect(scaled.map(({ score }) => score)).toEqual(scores)
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        anomalies(scope, frameOf(scope, points('a', [...calm, 30, 10, 2]))),
        (eb) => eb('bucket', '>', bucketAt(12)),
        (row) => row.bucket > bucketAt(12),
      ))

    it.each([
      [{ window: '0 minutes' }, /^window: .*"0 minutes"/],
      [{ window: '1 month' }, /^window: /],
      [{ window: "'; drop table dim_tenant; --" }, /^window: /],
      [{ threshold: -1 }, /^threshold: .*-1/],
      [{ threshold: Number.NaN }, /^threshold: /],
      [{ minPoints: 0 }, /^minPoints: .*0/],
      [{ floor: -0.1 }, /^floor: /],
      [{ minSpread: Infinity }, /^minSpread: /],
    ])('refuses %j by name', (options, message) => {
      expect(() => anomalies(scope, frameOf(scope, []), options)).toThrow(message)
    })
  })

  describe('firstDeparture', () => {
    const departures = (given: SeriesRow[], options = {}) => firstDeparture(scope, frameOf(scope, given), options).execute()

    it('is the first of several anomalous points in a row, and not a spike', async () => {
      const given = points('a', [...calm, 500, 10, 11, 50, 60, 70])
      expect(await departures(given)).toEqual([(await found(given)).find(({ value }) => value === 50)])
      expect(await departures(given, { consecutive: 1 })).toMatchObject([{ value: 500 }])
      expect(await departures(given, { consecutive: 3 })).toMatchObject([{ value: 50 }])
      expect(await departures(given, { consecutive: 4 })).toEqual([])
    })

    it('is not a run that goes up and down', async () => {
      expect(await departures(points('a', [...calm, 500, -500, 500, -500]))).toEqual([])
    })

    it('has one row for each series that departed, in the order of time', async () => {
      const rows = await departures([
        ...points('late', [...calm, 10, 11, 50, 60]),
        ...points('early', [...calm, 50, 60]),
        ...points('calm', calm),
      ])
      expect(rows).toMatchObject([
        { series: 'early', bucket: bucketAt(12) },
        { series: 'late', bucket: bucketAt(14) },
      ])
    })

    it('is looked for in a range, and judged by what is before it', async () => {
      const given = points('a', [...calm, 50, 60, 10, 11, 10, 12, 10, 11, 10, 11, 10, 12, 10, 11, 70, 80])
      expect(await departures(given)).toMatchObject([{ value: 50 }])
      expect(await departures(given, { range: { from: bucketAt(20), to: bucketAt(30) } })).toMatchObject([{ value: 70 }])
      expect(await departures(given, { range: { from: bucketAt(20), to: bucketAt(26) } })).toEqual([])
      expect(() => firstDeparture(scope, frameOf(scope, []), { range: during('01:00', '00:00') })).toThrow(/^range\.from: /)
    })

    it('does not count a null as the end of a run', async () => {
      expect(await departures(points('a', [...calm, 50, null, Number.NaN, 60]))).toMatchObject([{ value: 50 }])
    })

    it.each([0, 1.5, -1])('refuses %d points in a row', (consecutive) => {
      expect(() => firstDeparture(scope, frameOf(scope, []), { consecutive })).toThrow(/^consecutive: /)
    })
  })
})
