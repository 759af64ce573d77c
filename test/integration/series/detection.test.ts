import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import type { DetectionOptions, ControlChartOptions, SeasonalOptions } from '../../../src/series/anomalies/detection.ts'
import { firstDeparture } from '../../../src/series/anomalies/firstDeparture.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { atEachMoment, inOtherZones } from '../../support/moment/atEachMoment.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { frameOf, points } from '../../support/points.ts'

atEachMoment('detection', tests, { at: inOtherZones })

function tests(): void {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const found = (given: SeriesRow[], options: DetectionOptions) => anomalies(scope, frameOf(scope, given), options).execute()

  describe('seasonal', () => {
    /** Hours from Monday 2026-08-31 00:00 UTC on. */
    const hour = (index: number) => new Date(Date.UTC(2026, 7, 31) + index * 3_600_000)
    const hourly = (values: readonly (number | null)[], series = 'a') =>
      values.map((value, index) => ({ series, bucket: hour(index), value }))
    /** Days that all look alike, but for a little: at h o'clock about 10 h. */
    const days = (count: number) => Array.from({ length: 24 * count }, (_, index) => 10 * (index % 24) + (Math.floor(index / 24) % 3))
    const daily: SeasonalOptions = { method: 'seasonal', season: '1 day', history: '6 days' }

    it('compares a point with the same slot of earlier seasons', async () => {
      const values = days(7)
      values[6 * 24 + 12] = 200
      // The noons before it: 120 121 122 120 121 122, with median 121 and deviations 1 0 1 1 0 1. Five per cent of 121 is more than 1.4826.
      expect(await found(hourly(values), daily)).toEqual([
        {
          series: 'a',
          item: 'a',
          bucket: hour(6 * 24 + 12),
          value: 200,
          expected: 121,
          spread: expect.closeTo(6.05, 12),
          score: expect.closeTo(79 / 6.05, 12),
          direction: 'up',
        },
      ])
      expect(await found(hourly(values), { ...daily, floor: 0 })).toMatchObject([
        { spread: expect.closeTo(1.4826, 12), score: expect.closeTo(79 / 1.4826, 12) },
      ])
    })

    it('finds a value that is ordinary at another hour, and not the peak of every day', async () => {
      const values = days(8)
      values[7 * 24 + 3] = 230
      expect(await found(hourly(values), daily)).toMatchObject([{ bucket: hour(7 * 24 + 3), value: 230, expected: expect.closeTo(31, 12) }])
    })

    it('counts seasons of a week from Monday 00:00 UTC, so Sunday is not compared with Monday', async () => {
      const weeks = Array.from({ length: 24 * 7 * 6 }, (_, index) => (index % 168 >= 144 ? 10 : 1_000))
      expect(await found(hourly(weeks), { method: 'seasonal' })).toEqual([])
      weeks[24 * 7 * 5 + 150] = 1_000
      expect(await found(hourly(weeks), { method: 'seasonal' })).toMatchObject([{ bucket: hour(24 * 7 * 5 + 150), expected: 10 }])
    })

    it('leaves the occurrence of the slot that a point is in out of account', async () => {
      const minutes = (day: number, from: (minute: number) => number) =>
        Array.from({ length: 60 }, (_, minute) => ({
          series: 'a',
          bucket: new Date(hour(day * 24 + 9).getTime() + minute * 60_000),
          value: from(minute),
        }))
      const calm = [0, 1, 2].flatMap((day) => minutes(day, (minute) => 100 + (minute % 2)))
      const ramp = minutes(3, (minute) => 100 + minute)
      const rows = await found([...calm, ...ramp], { method: 'seasonal', season: '1 day', history: '1 week' })
      // Against 100.5 with a spread of 5.025 (the floor), what is above 120.6 is odd; against the hour itself it would soon be ordinary.
      expect(rows.map(({ value }) => value)).toEqual(Array.from({ length: 39 }, (_, index) => 121 + index))
      expect(new Set(rows.map(({ expected }) => expected))).toEqual(new Set([100.5]))
    })

    it('looks back no further than the history, counted in whole occurrences', async () => {
      const level = (day: number) => (day < 3 ? 500 : 100)
      const values = Array.from({ length: 24 * 10 }, (_, index) => level(Math.floor(index / 24)))
      const oddDays = async (history: string) =>
        new Set(
          (await found(hourly(values), { ...daily, history, minPoints: 2 })).map(
            ({ bucket }) => ((bucket.getTime() - hour(0).getTime()) / 86_400_000) | 0,
          ),
        )
      // On day 3 everything before was 500, on day 4 half of two days was: a median of 300, give or take 200.
      expect(await oddDays('2 days')).toEqual(new Set([3]))
      expect(await oddDays('6 days')).toEqual(new Set([3, 4, 5]))
    })

    it('does not judge a slot with fewer points than it needs', async () => {
      const values = days(6)
      values[4 * 24 + 12] = 1_000
      expect(await found(hourly(values), daily)).toEqual([])
      expect(await found(hourly(values), { ...daily, minPoints: 4 })).toMatchObject([{ value: 1_000 }])
    })

    it('judges a slot before 2000 as it does one after, and every series by itself', async () => {
      const early = days(7).map((value, index) => ({
        series: 'early',
        bucket: new Date(Date.UTC(1998, 0, 5) + index * 3_600_000),
        value: index === 6 * 24 + 12 ? 200 : value,
      }))
      const late = hourly(Array<number>(24 * 7).fill(200), 'late')
      expect(await found([...early, ...late], daily)).toMatchObject([{ series: 'early', value: 200, expected: 121 }])
    })

    it.each([
      ['an empty frame', []],
      ['a single point', [7]],
      ['a constant', Array<number>(24 * 8).fill(42)],
      ['nothing but null and NaN', Array.from({ length: 24 * 8 }, (_, index) => (index % 2 ? null : Number.NaN))],
    ])('finds nothing in %s', async (_, values) => {
      expect(await found(hourly(values), daily)).toEqual([])
    })

    it('is as if null, NaN and what no measurement is were absent', async () => {
      const values: (number | null)[] = days(8)
      values[7 * 24 + 12] = 500
      values[5 * 24 + 12] = null
      values[4 * 24 + 12] = Number.NaN
      const given = hourly(values)
      expect(await found([...given, { series: 'a', bucket: hour(3 * 24 + 12.5), value: 1e300 }], daily)).toEqual(await found(given, daily))
    })

    it('is narrowed in SQL as in TypeScript', () => {
      const values = days(9)
      values[7 * 24 + 3] = 230
      values[8 * 24 + 4] = 0
      return expectNarrows(
        anomalies(scope, frameOf(scope, hourly(values)), daily),
        (eb) => eb('direction', '=', 'up'),
        (row) => row.direction === 'up',
      )
    })

    it('lets firstDeparture judge by the season', async () => {
      const values = days(8)
      for (const index of [7 * 24 + 3, 7 * 24 + 4, 7 * 24 + 5]) values[index] = 230
      const first = await firstDeparture(scope, frameOf(scope, hourly(values)), { ...daily, consecutive: 3 }).execute()
      expect(first).toMatchObject([{ bucket: hour(7 * 24 + 3) }])
    })
  })

  describe('ewma', () => {
    const calm = [10, 12, 11, 9, 10, 11, 10, 12, 9, 10, 11, 10]
    const chart: ControlChartOptions = { method: 'ewma' }

    it('weighs the z-scores by their age, in units of the mean’s own deviation', async () => {
      const rows = await found(points('a', [10, 12, 11, 9, 10, 11, 14]), { ...chart, threshold: 0, floor: 0 })
      // Judged are the 11, against 9 10 10 11 12 (median 10, deviation 1), and the 14, against 9 10 10 11 11 12 (10.5 and 0.5 0.5 0.5 0.5 1.5 1.5).
      const first = 1 / 1.4826
      const second = 3.5 / (1.4826 * 0.5)
      const mean = 0.2 * second + 0.8 * 0.2 * first
      expect(rows).toEqual([
        expect.objectContaining({ value: 11, expected: 10, score: expect.closeTo(first, 12), direction: 'up' }),
        expect.objectContaining({
          value: 14,
          expected: 10.5,
          spread: expect.closeTo(0.7413, 12),
          score: expect.closeTo(mean / Math.sqrt((0.2 / 1.8) * (1 - 0.8 ** 4)), 12),
          direction: 'up',
          item: 'a',
        }),
      ])
    })

    it('finds a small departure that lasts, which no single score shows', async () => {
      const given = points('a', [...calm, ...calm, ...Array<number>(6).fill(13)])
      expect(await found(given, { method: 'robust-z' })).toEqual([])
      expect((await found(given, chart)).map(({ value }) => value)).toContain(13)
    })

    it('is robust-z up to the clip where there is no memory', async () => {
      const given = points('a', [...calm, 30, 10, 2, 9, 12, 40, 10, 10, 0])
      const rows = await found(given, { ...chart, lambda: 1, threshold: 0 })
      const plain = await found(given, { method: 'robust-z', threshold: 0 })
      expect(rows).toEqual(plain.map((row) => ({ ...row, score: expect.closeTo(Math.min(row.score, 8), 9) })))
      expect(plain.some(({ score }) => score > 8)).toBe(true)
    })

    it('counts a spike as no more than the clip', async () => {
      const scores = async (spike: number) => (await found(points('a', [...calm, spike, 10]), chart)).map(({ score }) => score)
      expect(await scores(1e6)).toEqual(await scores(1e9))
      expect(await found(points('a', [...calm, 1e6]), { ...chart, clip: 2 })).toEqual([])
    })

    it('says on which side, which may not be the side of the point', async () => {
      const rows = await found(points('a', [...calm, 2, 2, 11]), { ...chart, threshold: 0 })
      expect(rows.at(-1)).toMatchObject({ value: 11, expected: 10, direction: 'down' })
    })

    it('does not mind a constant, however long, nor a departure from one', async () => {
      expect(await found(points('a', Array<number>(5_000).fill(0)), chart)).toEqual([])
      // Once 30 has gone by, the mean fades; after thousands of points it is below the doubles.
      const rows = await found(points('a', [...Array<number>(20).fill(0), 30, ...Array<number>(5_000).fill(0)]), { ...chart, threshold: 3 })
      expect(rows[0]).toMatchObject({ value: 30, spread: 0, direction: 'up' })
      expect(rows[0]!.score).toBeLessThan(Infinity)
      expect(rows.length).toBeLessThan(20)
    })
  })

  it.each<[DetectionOptions, RegExp]>([
    [{ method: 'seasonal', slot: '5 hours' }, /^slot: must divide the season .*"5 hours"/],
    [{ method: 'seasonal', slot: '1 week' }, /^slot: /],
    [{ method: 'seasonal', season: '1 month' }, /^season: .*"1 month"/],
    [{ method: 'seasonal', history: '1 day' }, /^history: .*"1 day"/],
    [{ method: 'ewma', lambda: 0 }, /^lambda: .*0/],
    [{ method: 'ewma', lambda: 1.5 }, /^lambda: /],
    [{ method: 'ewma', clip: Number.NaN }, /^clip: /],
    [{ method: 'ewma', threshold: -1 }, /^threshold: /],
  ])('refuses %j by name', (options, message) => {
    expect(() => anomalies(scope, frameOf(scope, []), options)).toThrow(message)
  })

  it('refuses a method there is not, and an option of another method', () => {
    const refused = (options: unknown) => () => anomalies(scope, frameOf(scope, []), options as DetectionOptions)
    expect(refused({ method: 'zscore' })).toThrow(/^method: must be 'robust-z', 'seasonal', 'ewma' or 'surprise', got "zscore"/)
    expect(refused({ lambda: 0.3 })).toThrow(/^options: has no key "lambda"/)
    expect(refused({ method: 'seasonal', window: '1 hour' })).toThrow(/^options: has no key "window"/)
  })
}
