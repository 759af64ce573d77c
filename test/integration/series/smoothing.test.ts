import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { ewma, type EwmaOptions } from '../../../src/series/algebra/ewma.ts'
import { movingAverage } from '../../../src/series/algebra/movingAverage.ts'
import { movingQuantile, type MovingQuantileOptions } from '../../../src/series/algebra/movingQuantile.ts'
import type { SeriesFrame, SeriesRow } from '../../../src/series/seriesFrame.ts'
import type { TrailingWindow } from '../../../src/series/algebra/trailingWindow.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { frameOf, points } from '../../support/points.ts'
import { arbitraryPoints, bounded, boundedAll, near } from './arbitraryPoints.ts'

apartFromTime('smoothed series', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const valuesOf = async (frame: SeriesFrame) => (await frame.execute()).map(({ value }) => value)

  describe.each<[string, Moving, (values: readonly number[]) => number | null]>([
    ['movingAverage', movingAverage, mean],
    ['movingQuantile', median, quantile(0.5)],
  ])('%s', (_, moving, model) => {
    const moved = (given: readonly SeriesRow[], window: TrailingWindow) => moving(scope, frameOf(scope, given), window).execute()
    const values = async (given: readonly (number | null | undefined)[], window: TrailingWindow) =>
      (await moved(points('a', given), window)).map(({ value }) => value)

    it('is of the last points, fewer at the beginning, in each series by itself', async () => {
      const rows = await moved([...points('a', [1, 3, 5, 10]), ...points('b', [7])], { points: 2 })
      expect(rows.map(({ series, value }) => [series, value])).toEqual([
        ['a', 1],
        ['a', 2],
        ['a', 4],
        ['a', 7.5],
        ['b', 7],
      ])
    })

    it('is of a stretch of time, which holds its end and not its beginning', async () => {
      const given = [1, 3, 5, 10, undefined, undefined, 4]
      expect(await values(given, { window: '10 minutes' })).toEqual([1, 2, 4, 7.5, 4])
      expect(await values(given, { window: '1 second' })).toEqual([1, 3, 5, 10, 4])
    })

    it('does not count nulls, and is null where there is nothing else', async () => {
      expect(await values([null, 2, null, null, 6], { points: 2 })).toEqual([null, 2, 2, null, 6])
      expect(await values([null, null], { window: '1 hour' })).toEqual([null, null])
    })

    it('forgets an infinity and a NaN once they have left the window', async () => {
      expect((await values([1, Number.NaN, 3, 5], { points: 2 })).slice(3)).toEqual([4])
      expect((await values([1, Infinity, 3, 5], { points: 2 })).slice(3)).toEqual([4])
      expect((await values([1, 1.7e308, 1.7e308, 5, 5], { points: 2 })).slice(1)).toEqual([
        Infinity,
        expect.any(Number),
        expect.any(Number),
        5,
      ])
    })

    it('answers an empty frame and a single point', async () => {
      expect(await moved([], { points: 12 })).toEqual([])
      expect(await values([7], { window: '1 hour' })).toEqual([7])
    })

    it('of one point changes nothing', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints(), async (given) => {
          expect(await moved(given, { points: 1 })).toEqual(boundedAll(given))
        }),
        { numRuns: 40 },
      )
    })

    it('of a constant is the constant, to the last digit', async () => {
      await fc.assert(
        fc.asyncProperty(fc.double({ min: -1e90, max: 1e90, noNaN: true }), fc.integer({ min: 1, max: 9 }), async (constant, length) => {
          const value = bounded(constant) || 0
          expect(await values(Array<number>(9).fill(value), { points: length })).toEqual(Array<number>(9).fill(value))
        }),
        { numRuns: 40 },
      )
    })

    it('is that of the same window in TypeScript, for any values', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ finite: true, aligned: false }), fc.integer({ min: 1, max: 10 }), async (given, length) => {
          const byPoints = boundedAll(given).map((point, index, all) => {
            const mine = all.slice(0, index + 1).filter(({ series }) => series === point.series)
            return { ...point, value: near(model(measured(mine.slice(-length))), 1e6) }
          })
          expect(await moved(given, { points: length })).toEqual(byPoints)
          const byTime = boundedAll(given).map((point, index, all) => {
            const since = point.bucket.getTime() - length * 600_000
            const mine = all.slice(0, index + 1).filter(({ series, bucket }) => series === point.series && bucket.getTime() > since)
            return { ...point, value: near(model(measured(mine)), 1e6) }
          })
          expect(await moved(given, { window: `${length * 10} minutes` })).toEqual(byTime)
        }),
        { numRuns: 40 },
      )
    })

    it('takes a day for 24 hours, also where the session changes its clocks', async () => {
      const given = ['2026-11-01T01:00:00Z', '2026-11-02T01:00:00Z'].map((time, index) => ({
        series: 'a',
        bucket: new Date(time),
        value: index,
      }))
      const rows = await scope.db.transaction().execute(async (transaction) => {
        await sql`set local time zone 'America/New_York'`.execute(transaction)
        const within = { ...scope, db: transaction }
        return valuesOf(moving(within, frameOf(within, given), { window: '1 day' }))
      })
      expect(rows).toEqual([0, 1])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        moving(scope, frameOf(scope, points('a', [1, 2, 3, 4])), { points: 3 }),
        (eb) => eb('value', '>', 1.5),
        (row) => row.value! > 1.5,
      ))

    it.each([
      [{}, /^options: must have either points or window, got /],
      [{ points: 2, window: '1 hour' }, /^options: must have either points or window, got /],
      [{ points: 0 }, /^points: .*0/],
      [{ points: 1.5 }, /^points: .*1\.5/],
      [{ window: '1 month' }, /^window: .*"1 month"/],
      [{ window: '1 hour', size: 3 }, /^options: has no key "size"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => moving(scope, frameOf(scope, []), options as TrailingWindow)).toThrow(message)
    })
  })

  describe('movingAverage', () => {
    it('has NaN and the infinities as arithmetic has them', async () => {
      const given = frameOf(scope, points('a', [1, Infinity, -Infinity, 2, Number.NaN, 3]))
      expect(await valuesOf(movingAverage(scope, given, { points: 2 }))).toEqual([
        1,
        Infinity,
        Number.NaN,
        -Infinity,
        Number.NaN,
        Number.NaN,
      ])
    })

    it('leaves no rounding behind when a large value leaves the window', async () => {
      const given = frameOf(scope, points('a', [1e100, 0.1, 0.1, 0.1]))
      expect((await valuesOf(movingAverage(scope, given, { points: 2 }))).slice(2)).toEqual([0.1, 0.1])
    })
  })

  describe('movingQuantile', () => {
    const quantiles = (given: readonly (number | null)[], options: MovingQuantileOptions) =>
      valuesOf(movingQuantile(scope, frameOf(scope, points('a', given)), options))

    it('is the smallest, the largest, and what lies between', async () => {
      const given = [10, 50, 20, 40, 30]
      expect((await quantiles(given, { q: 0, points: 5 })).at(-1)).toBe(10)
      expect((await quantiles(given, { q: 0.25, points: 5 })).at(-1)).toBe(20)
      expect((await quantiles(given, { q: 0.95, points: 5 })).at(-1)).toBeCloseTo(48, 12)
      expect((await quantiles(given, { q: 1, points: 5 })).at(-1)).toBe(50)
    })

    it('is that of the same window in TypeScript, for any q', async () => {
      const q = fc.double({ min: 0, max: 1, noNaN: true })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
          q,
          async (given, share) => {
            const expected = quantile(share)(given.map((value) => bounded(value) || 0))
            expect((await quantiles(given, { q: share, points: 20 })).at(-1)).toEqual(near(expected || 0, 1e6))
          },
        ),
        { numRuns: 40 },
      )
    })

    it.each([
      [{ q: 1.1, points: 2 }, /^q: .*1\.1/],
      [{ q: Number.NaN, points: 2 }, /^q: /],
      [{ points: 2 }, /^q: /],
    ])('refuses %j by name', (options, message) => {
      expect(() => movingQuantile(scope, frameOf(scope, []), options as MovingQuantileOptions)).toThrow(message)
    })
  })

  describe('ewma', () => {
    const smoothed = async (given: readonly (number | null | undefined)[], weight: EwmaOptions) =>
      valuesOf(ewma(scope, frameOf(scope, points('a', given)), weight))

    it('begins with the first value, and gives each next one its weight', async () => {
      expect(await smoothed([8, 0, 4, 4], { lambda: 0.25 })).toEqual([8, 6, 5.5, 5.125])
    })

    it('halves the weight of the past in each half-life, across gaps too', async () => {
      expect(await smoothed([8, 0, undefined, undefined, 0], { halfLife: '5 minutes' })).toEqual([8, 4, expect.closeTo(0.5, 12)])
      expect(await smoothed([8, 0], { halfLife: '10 minutes' })).toEqual([8, expect.closeTo(8 / Math.SQRT2, 12)])
      expect(await smoothed([8, null, null, 0], { halfLife: '5 minutes' })).toEqual([8, 8, 8, expect.closeTo(1, 12)])
    })

    it('passes over what is no finite number, and gives there the average so far', async () => {
      expect(await smoothed([null, Number.NaN, 8, Infinity, null, -Infinity, 1e300, 0], { lambda: 0.5 })).toEqual([
        null,
        null,
        8,
        8,
        8,
        8,
        8,
        4,
      ])
      expect(await smoothed([null, Number.NaN, 8, Infinity, 0], { halfLife: '10 minutes' })).toEqual([
        null,
        null,
        8,
        8,
        expect.closeTo(4, 12),
      ])
      expect(await smoothed([null, Number.NaN, Infinity], { halfLife: '10 minutes' })).toEqual([null, null, null])
    })

    it('goes down to zero after a spike, and on, without an underflow', async () => {
      const steps = 3_000
      const rows = await smoothed([1, ...Array<number>(steps).fill(0)], { lambda: 0.5 })
      expect(rows.slice(0, 3)).toEqual([1, 0.5, 0.25])
      expect(rows.at(-1)).toBe(0)
      expect((await smoothed([1, ...Array<number>(steps).fill(0)], { halfLife: '0.25 seconds' })).at(-1)).toBe(0)
      expect((await smoothed([1e100, 1e-100, 0], { lambda: 1e-12 })).at(-1)).toBeCloseTo(1e100, -90)
    })

    it('smooths each series by itself, and answers an empty frame and a single point', async () => {
      const rows = await ewma(scope, frameOf(scope, [...points('a', [8, 0]), ...points('b', [2])]), { lambda: 0.5 }).execute()
      expect(rows.map(({ value }) => value)).toEqual([8, 4, 2])
      expect(await smoothed([], { halfLife: '1 hour' })).toEqual([])
      expect(await smoothed([7], { halfLife: '1 hour' })).toEqual([7])
    })

    it('with lambda 1 changes no finite number', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ finite: true }), async (given) => {
          const complete = given.filter(({ value }) => value !== null)
          expect(await ewma(scope, frameOf(scope, complete), { lambda: 1 }).execute()).toEqual(boundedAll(complete))
        }),
        { numRuns: 30 },
      )
    })

    it('is the recurrence in TypeScript, by points and by time', async () => {
      const weight = fc.oneof(
        fc.record({ lambda: fc.double({ min: 1e-6, max: 1, noNaN: true }) }),
        fc.record({ halfLife: fc.integer({ min: 1, max: 100_000 }).map((seconds) => `${seconds} seconds`) }),
      )
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ aligned: false }), weight, async (given, options) => {
          const rows = await ewma(scope, frameOf(scope, given), options).execute()
          expect(rows).toEqual(recurrence(given, options).map((point) => ({ ...point, value: near(point.value, 1e6) })))
        }),
        { numRuns: 60 },
      )
    })

    it('by half-life is by lambda where points follow each other regularly', async () => {
      const given = [5, 1, 8, 2, 2, 9]
      const byLambda = await smoothed(given, { lambda: 1 - 2 ** (-1 / 3) })
      expect(await smoothed(given, { halfLife: '15 minutes' })).toEqual(byLambda.map((value) => expect.closeTo(value!, 12)))
    })

    it('is an aggregate of its own, which can begin from a value', async () => {
      const call = sql`${scope.id('ewma')}`
      const { rows } = await sql<{ plain: number; started: number; nothing: number | null; kept: number }>`
        select
          ${call}(value, 0.5 order by at) as plain,
          ${call}(value, 0.5, 16 order by at) as started,
          ${call}(value, 0.5) filter (where value is null) as nothing,
          ${call}(value, 0.5, 16) filter (where value is null) as kept
        from unnest(array[8, null, 0, 'NaN', 4]::float8[]) with ordinality as given (value, at)
      `.execute(scope.db)
      expect(rows).toEqual([{ plain: 4, started: 5, nothing: null, kept: 16 }])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        ewma(scope, frameOf(scope, points('a', [8, 0, 4])), { halfLife: '5 minutes' }),
        (eb) => eb('value', '<', 8),
        (row) => row.value! < 8,
      ))

    it.each([
      [{}, /^options: must have either lambda or halfLife, got {}/],
      [{ lambda: 0.5, halfLife: '1 hour' }, /^options: must have either lambda or halfLife/],
      [{ lambda: 0 }, /^lambda: .*0/],
      [{ lambda: 1.01 }, /^lambda: .*1\.01/],
      [{ lambda: Number.NaN }, /^lambda: /],
      [{ halfLife: '0 seconds' }, /^halfLife: .*"0 seconds"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => ewma(scope, frameOf(scope, []), options as EwmaOptions)).toThrow(message)
    })
  })
})

type Moving = (scope: Scope, frame: SeriesFrame, window: TrailingWindow) => SeriesFrame

const median: Moving = (scope, frame, window) => movingQuantile(scope, frame, { q: 0.5, ...window })

const measured = (given: readonly SeriesRow[]): number[] => given.map(({ value }) => value).filter((value) => value !== null)

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

function quantile(q: number) {
  return (values: readonly number[]): number | null => {
    if (values.length === 0) return null
    const sorted = values.toSorted((one, other) => one - other)
    const rank = q * (sorted.length - 1)
    const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!]
    return low + (rank - Math.floor(rank)) * (high - low)
  }
}

function recurrence(given: readonly SeriesRow[], { lambda, halfLife }: EwmaOptions): SeriesRow[] {
  const last = new Map<string, { average: number; time: number }>()
  return boundedAll(given).map(({ series, bucket, value }) => {
    const before = last.get(series)
    if (value === null || !Number.isFinite(value)) return { series, bucket, value: before?.average ?? null }
    const time = bucket.getTime()
    const weight = lambda ?? 1 - 2 ** (-(time - (before?.time ?? 0)) / (1000 * Number.parseInt(halfLife)))
    const average = before === undefined ? value : weight * value + (1 - weight) * before.average
    last.set(series, { average, time })
    return { series, bucket, value: average }
  })
}
