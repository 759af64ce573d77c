import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { forecast, type ForecastOptions } from '../../../src/series/trends/forecast.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { frameOf } from '../../support/points.ts'
import { autoregressive, noise } from './noise.ts'

apartFromTime('forecast', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  /** Hours from Monday 2026-08-31 00:00 UTC on. */
  const hour = (index: number) => new Date(Date.UTC(2026, 7, 31) + index * 3_600_000)
  const hourly = (values: readonly (number | null)[], series = 'a'): SeriesRow[] =>
    values.map((value, index) => ({ series, bucket: hour(index), value }))
  const ahead = (given: SeriesRow[], options: Partial<ForecastOptions> = {}) =>
    forecast(scope, frameOf(scope, given), { horizon: '3 hours', every: '1 hour', ...options }).execute()

  it('goes on along the line, from the last measurement to the horizon', async () => {
    expect(await ahead(hourly([1, 2, 3, 4, 5, null]))).toEqual(
      [6, 7, 8].map((value, index) => ({
        series: 'a',
        bucket: hour(5 + index),
        value: expect.closeTo(value, 9),
        lower: expect.closeTo(value, 9),
        upper: expect.closeTo(value, 9),
      })),
    )
    const quarters = await ahead(hourly([1, 2, 3, 4, 5]), { every: '45 minutes' })
    expect(quarters.map(({ bucket, value }) => [(bucket.getTime() - hour(4).getTime()) / 60_000, value])).toEqual(
      [45, 90, 135, 180].map((minutes) => [minutes, expect.closeTo(5 + minutes / 60, 9)]),
    )
  })

  it('repeats the season, and moves it along a trend', async () => {
    const day = (index: number) => [5, 1, 9, 4][Math.floor((index % 24) / 6)]!
    const values = Array.from({ length: 24 * 5 + 7 }, (_, index) => day(index) + 0.25 * index)
    const rows = await ahead(hourly(values), { horizon: '2 days', season: '1 day', slot: '6 hours' })
    expect(rows).toHaveLength(48)
    rows.forEach(({ value }, index) => expect(value).toBeCloseTo(day(127 + index) + 0.25 * (127 + index), 9))
  })

  it('does not take a season cut short for a trend', async () => {
    const day = (index: number) => 10 * Math.sin((index * Math.PI) / 12)
    const values = Array.from({ length: 24 * 2 + 6 }, (_, index) => day(index))
    const seasonal = await ahead(hourly(values), { season: '1 day', horizon: '1 day' })
    seasonal.forEach(({ value }, index) => expect(value).toBeCloseTo(day(54 + index), 6))
    // Less than two days cannot tell a trend from the difference of two hours.
    const short = await ahead(hourly(values.slice(0, 30)), { season: '1 day', horizon: '1 day' })
    expect(short.find(({ bucket }) => bucket.getTime() === hour(48).getTime())!.value).toBeCloseTo(day(0), 9)
  })

  it('is not moved by an outlier, and stays level without a trend', async () => {
    const random = noise(5)
    const values = Array.from({ length: 96 }, (_, index) => 20 + 5 * (index % 24 < 12 ? 1 : -1) + 0.1 * random())
    values[50] = 5_000
    const rows = await ahead(hourly(values), { season: '1 day', slot: '12 hours', trend: 'none', horizon: '1 day' })
    rows.forEach(({ value }, index) => expect(Math.abs(value! - (index % 24 < 12 ? 25 : 15))).toBeLessThan(0.1))
    expect(new Set((await ahead(hourly([1, 2, 3, 4, 5]), { trend: 'none' })).map(({ value }) => value))).toEqual(new Set([3]))
  })

  const independent = () => noise(1)
  it.each<[string, number, number, Partial<ForecastOptions>, () => (index: number) => number]>([
    [
      'noise around a trend',
      60,
      30,
      {},
      (random = independent()) =>
        (index) =>
          0.1 * index + random(),
    ],
    [
      'noise far ahead',
      200,
      200,
      {},
      (random = independent()) =>
        () =>
          random(),
    ],
    [
      'skewed noise',
      200,
      50,
      {},
      (random = independent()) =>
        () =>
          Math.exp(random()),
    ],
    [
      'neighbours alike',
      200,
      50,
      {},
      (next = autoregressive(0.7, noise(4))) =>
        () =>
          next(),
    ],
    [
      'a season of a day',
      168,
      48,
      { season: '1 day' },
      (random = independent()) =>
        (index) =>
          5 * Math.sin((index * Math.PI) / 12) + 0.01 * index + random(),
    ],
    [
      'half a dozen days',
      72,
      48,
      { season: '1 day' },
      (random = independent()) =>
        (index) =>
          5 * Math.sin((index * Math.PI) / 12) + random(),
    ],
  ])('holds 90 to 99 of 100 in intervals of 95 %%: %s', async (_, length, steps, options, make) => {
    const next = make()
    const given: SeriesRow[] = []
    const come = new Map<string, number>()
    for (let series = 0; series < 40; series += 1) {
      for (let index = 0; index < length + steps; index += 1) {
        const value = next(index)
        if (index < length) given.push({ series: String(series), bucket: hour(index), value })
        else come.set(`${series} ${hour(index).getTime()}`, value)
      }
    }
    const rows = await ahead(given, { horizon: `${steps} hours`, ...options })
    expect(rows).toHaveLength(40 * steps)
    const held = rows.filter((row) => {
      const value = come.get(`${row.series} ${row.bucket.getTime()}`)!
      return value >= row.lower! && value <= row.upper!
    })
    expect(held.length / rows.length).toBeGreaterThan(0.9)
    expect(held.length / rows.length).toBeLessThan(0.99)
  })

  it('widens with the distance and with the confidence', async () => {
    const random = noise(9)
    const given = hourly(Array.from({ length: 50 }, () => random()))
    const width = ({ lower, upper }: { lower: number | null; upper: number | null }) => upper! - lower!
    const rows = await ahead(given, { horizon: '100 hours' })
    expect(width(rows[99]!)).toBeGreaterThan(width(rows[0]!) * 1.05)
    const sure = await ahead(given, { horizon: '100 hours', confidence: 0.99 })
    expect(width(sure[99]!)).toBeGreaterThan(width(rows[99]!) * 1.1)
  })

  it('says nothing where it knows nothing', async () => {
    expect(await ahead([])).toEqual([])
    expect(await ahead(hourly([null, Number.NaN, Infinity]))).toEqual([])
    expect((await ahead(hourly([7])))[0]).toEqual({ series: 'a', bucket: hour(1), value: 7, lower: null, upper: null })
    expect((await ahead(hourly([7, 7, 7, 7])))[0]).toMatchObject({ value: 7, lower: 7, upper: 7 })
    const unknown = await ahead(hourly([1, 2, 3, 4, 5, 6]), { season: '1 day', slot: '1 hour' })
    expect(unknown[0]).toMatchObject({ bucket: hour(6), value: null, lower: null, upper: null })
  })

  it.each([[[1e100, -1e100, 1e100, 1e100, -1e100]], [[1e-100, 2e-100, 1e-100, 3e-100, 2e-100]], [[1e100, 1e-100, 0, -1e-100, 2e-100, 3]]])(
    'answers %j',
    async (values) => {
      for (const { value, lower, upper } of await ahead(hourly(values))) {
        expect(lower!).toBeLessThanOrEqual(value!)
        expect(upper!).toBeGreaterThanOrEqual(value!)
      }
    },
  )

  it('is narrowed in SQL as in TypeScript', () =>
    expectNarrows(
      forecast(scope, frameOf(scope, [...hourly([1, 2, 4, 3], 'a'), ...hourly([9, 7, 4, 6], 'b')]), {
        horizon: '3 hours',
        every: '1 hour',
      }),
      (eb) => eb('series', '=', 'a'),
      (row) => row.series === 'a',
    ))

  describe('refuses', () => {
    it.each<[Partial<ForecastOptions>, RegExp]>([
      [{ horizon: 'soon' }, /^horizon: .*"soon"/],
      [{ every: '4 hours' }, /^every: must fit into the horizon of "3 hours" 1 to 10000 times, got "4 hours"/],
      [{ every: '1 second' }, /^every: .*"1 second"/],
      [{ slot: '1 hour' }, /^slot: needs a season/],
      [{ season: '1 day', slot: '7 hours' }, /^slot: .*"7 hours"/],
      [{ confidence: 95 }, /^confidence: .*95/],
    ])('%j by name', (options, message) => {
      expect(() => forecast(scope, frameOf(scope, []), { horizon: '3 hours', every: '1 hour', ...options })).toThrow(message)
    })
  })
})
