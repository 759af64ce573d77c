import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { gapfill, type GapfillOptions } from '../../../src/series/algebra/gapfill.ts'
import { resample, type ResampleOptions } from '../../../src/series/algebra/resample.ts'
import type { SeriesFrame, SeriesRow } from '../../../src/series/seriesFrame.ts'
import { shift } from '../../../src/series/algebra/shift.ts'
import { sharedDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { atEachMoment, inOtherZones } from '../../support/moment/atEachMoment.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { at, during } from '../../support/rows.ts'
import { arbitraryPoints, boundedAll } from './arbitraryPoints.ts'

atEachMoment('the time of series', tests, { at: inOtherZones })

function tests(): void {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const values = async (frame: SeriesFrame) => (await frame.execute()).map(({ value }) => value)
  const everyFive = { every: '5 minutes' } as const

  describe('resample', () => {
    const resampled = (given: readonly SeriesRow[], options: ResampleOptions) => resample(scope, frameOf(scope, given), options).execute()
    const reductions = ['avg', 'sum', 'min', 'max', 'count', 'median', 'first', 'last'] as const

    it.each([
      ['avg', 5],
      ['sum', 20],
      ['min', 1],
      ['max', 12],
      ['count', 4],
      ['median', 3.5],
      ['first', 4],
      ['last', 3],
    ] as const)('makes the %s of what lies in one bucket', async (how, value) => {
      const given = [...points('a', [null, 4, 12, 1, 3, null]), ...points('b', [7])]
      expect(await resampled(given, { every: '1 hour', with: how })).toEqual([
        { series: 'a', bucket: at('00:00'), value },
        { series: 'b', bucket: at('00:00'), value: how === 'count' ? 1 : 7 },
      ])
    })

    it('begins days at midnight UTC and weeks on Mondays, whatever the time zone of the session', async () => {
      const sunday: SeriesRow[] = [{ series: 'a', bucket: at('23:30'), value: 1 }]
      const bucketsIn = (zone: string) =>
        scope.db.transaction().execute(async (transaction) => {
          await sql`set local time zone ${sql.lit(zone)}`.execute(transaction)
          const within = { ...scope, db: transaction }
          const begins = ['15 minutes', '1 hour', '1 day', '1 week', '2 days'].map(async (every) => {
            const [row] = await resample(within, frameOf(within, sunday), { every, with: 'sum' }).execute()
            return row!.bucket.toISOString()
          })
          return Promise.all(begins)
        })
      const expected = ['2026-11-22T23:30', '2026-11-22T23:00', '2026-11-22T00:00', '2026-11-16T00:00', '2026-11-22T00:00']
      const withSeconds = expected.map((time) => `${time}:00.000Z`)
      expect(await bucketsIn('UTC')).toEqual(withSeconds)
      expect(await bucketsIn('America/New_York')).toEqual(withSeconds)
      expect(await bucketsIn('Asia/Kathmandu')).toEqual(withSeconds)
    })

    it.runIf(leg.timescaledb)('aligns buckets as time_bucket does, before its origin too', async () => {
      const times = [
        '1970-01-01T00:00:00Z',
        '1999-12-31T23:59:59.999Z',
        '2000-01-01T00:00:00Z',
        '2000-01-03T00:00:00Z',
        '2026-03-29T01:30:00Z',
      ]
      const given = times.map((time) => ({ series: time, bucket: new Date(time), value: 1 }))
      for (const every of ['7 minutes', '1 hour', '1 day', '10 days', '1 week', '2 weeks', '1.5 hours']) {
        const rows = await resample(scope, frameOf(scope, given), { every, with: 'sum' }).execute()
        const { rows: theirs } = await sql<{ series: string; bucket: Date }>`
          select series, time_bucket(${every}::interval, series::timestamptz) as bucket
          from unnest(${times}::text[]) as series order by series
        `.execute(scope.db)
        expect(rows.map(({ series, bucket }) => ({ series, bucket }))).toEqual(theirs)
      }
    })

    it('leaves out buckets that hold no point, and answers an empty frame with none', async () => {
      expect(await resampled(points('a', [1, ...Array<undefined>(23).fill(undefined), 2]), { every: '1 hour', with: 'sum' })).toEqual([
        { series: 'a', bucket: at('00:00'), value: 1 },
        { series: 'a', bucket: at('02:00'), value: 2 },
      ])
      for (const how of reductions) expect(await resampled([], { every: '1 hour', with: how })).toEqual([])
    })

    it('is null where nothing was measured, and counts 0', async () => {
      for (const how of reductions) {
        expect(await resampled(points('a', [null, null]), { every: '1 hour', with: how })).toMatchObject([
          { value: how === 'count' ? 0 : null },
        ])
      }
    })

    it('has NaN above every number, and in every sum', async () => {
      const answers = reductions.map(async (how) => [
        how,
        (await resampled(points('a', [1, Number.NaN, 3]), { every: '1 hour', with: how }))[0]!.value,
      ])
      expect(Object.fromEntries(await Promise.all(answers))).toEqual({
        avg: Number.NaN,
        sum: Number.NaN,
        min: 1,
        max: Number.NaN,
        count: 3,
        median: 3,
        first: 1,
        last: 3,
      })
    })

    it('takes values that leave the doubles when they are added up for infinite, without an error', async () => {
      expect(await values(resample(scope, frameOf(scope, points('a', [1.7e308, 1.7e308])), { every: '1 hour', with: 'sum' }))).toEqual([
        Infinity,
      ])
      expect(await values(resample(scope, frameOf(scope, points('a', [5e-324, 0])), { every: '1 hour', with: 'avg' }))).toEqual([0])
    })

    it('changes nothing in buckets of its own length, nor in shorter ones', async () => {
      await fc.assert(
        fc.asyncProperty(
          arbitraryPoints(),
          fc.constantFrom('avg', 'sum', 'min', 'max', 'median', 'first', 'last'),
          fc.constantFrom('5 minutes', '1 minute', '0.5 seconds'),
          async (given, how, every) => {
            expect(await resampled(given, { every, with: how })).toEqual(boundedAll(given))
          },
        ),
        { numRuns: 60 },
      )
    })

    it('loses nothing of a sum, in one step or in two', async () => {
      const total = (rows: readonly SeriesRow[], series: string) =>
        rows.filter((row) => row.series === series).reduce((sum, { value }) => sum + (value ?? 0), 0)
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ finite: true, aligned: false }), async (given) => {
          const frame = frameOf(scope, given)
          const hours = resample(scope, frame, { every: '1 hour', with: 'sum' })
          const twice = resample(scope, resample(scope, frame, { every: '20 minutes', with: 'sum' }), { every: '1 hour', with: 'sum' })
          const rows = await hours.execute()
          for (const { series } of given) expect(total(rows, series)).toBeCloseTo(total(given, series), 6)
          expect((await twice.execute()).map(({ bucket }) => bucket)).toEqual(rows.map(({ bucket }) => bucket))
          for (const { series } of given) expect(total(await twice.execute(), series)).toBeCloseTo(total(given, series), 6)
        }),
        { numRuns: 30 },
      )
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        resample(scope, frameOf(scope, points('a', [1, 2, 3, 4, 5, 6])), { every: '10 minutes', with: 'avg' }),
        (eb) => eb('value', '>', 2),
        (row) => row.value! > 2,
      ))

    it.each([
      [{ every: '1 month', with: 'avg' }, /^every: .*"1 month"/],
      [{ every: '0 minutes', with: 'avg' }, /^every: .*"0 minutes"/],
      [{ every: '0.0001 seconds', with: 'avg' }, /^every: must be at least a millisecond long, got "0.0001 seconds"/],
      [{ every: "'; drop table dim_tenant; --", with: 'avg' }, /^every: /],
      [{ every: '1 hour', with: 'p95' }, /^with: .*"p95"/],
      [{ every: '1 hour' }, /^with: /],
      [{ every: '1 hour', with: 'avg', fill: 'null' }, /^options: has no key "fill"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => resample(scope, frameOf(scope, []), options as ResampleOptions)).toThrow(message)
    })
  })

  describe('gapfill', () => {
    const filled = (given: readonly SeriesRow[], options: Partial<GapfillOptions> = {}) =>
      gapfill(scope, frameOf(scope, given), { ...everyFive, range: during('00:00', '00:30'), fill: 'null', ...options })
    const gappy = points('a', [undefined, 1, undefined, null, 4])

    it.each([
      ['null', [null, 1, null, null, 4, null]],
      ['zero', [0, 1, 0, 0, 4, 0]],
      ['last', [null, 1, 1, 1, 4, 4]],
      ['linear', [null, 1, 2, 3, 4, null]],
    ] as const)('has a row for every bucket, filled with %s', async (fill, expected) => {
      const rows = await filled(gappy, { fill }).execute()
      expect(rows.map(({ bucket }) => bucket)).toEqual([0, 1, 2, 3, 4, 5].map(bucketAt))
      expect(rows.map(({ value }) => value)).toEqual(expected)
    })

    it('fills each series by itself', async () => {
      const rows = await filled([...points('a', [1]), ...points('b', [undefined, 2])], {
        fill: 'last',
        range: during('00:00', '00:10'),
      }).execute()
      expect(rows).toEqual([
        { series: 'a', bucket: bucketAt(0), value: 1 },
        { series: 'a', bucket: bucketAt(1), value: 1 },
        { series: 'b', bucket: bucketAt(0), value: null },
        { series: 'b', bucket: bucketAt(1), value: 2 },
      ])
    })

    it('fills from neighbours outside of the range, which get no rows', async () => {
      const range = during('00:05', '00:15')
      const given = points('a', [10, undefined, undefined, 40])
      expect(await values(filled(given, { range, fill: 'last' }))).toEqual([10, 10])
      expect(await values(filled(given, { range, fill: 'linear' }))).toEqual([20, 30])
      expect(await values(filled(given, { range, fill: 'null' }))).toEqual([null, null])
    })

    it('keeps points off the grid where they are, and interpolates by time', async () => {
      const given = [
        { series: 'a', bucket: at('00:01'), value: 1 },
        { series: 'a', bucket: at('00:11'), value: 11 },
        { series: 'a', bucket: at('00:12'), value: null },
        { series: 'a', bucket: at('00:21'), value: 21 },
      ]
      expect(await filled(given, { range: during('00:00', '00:25'), fill: 'linear' }).execute()).toEqual([
        { series: 'a', bucket: at('00:01'), value: 1 },
        { series: 'a', bucket: at('00:05'), value: 5 },
        { series: 'a', bucket: at('00:11'), value: 11 },
        { series: 'a', bucket: at('00:12'), value: 12 },
        { series: 'a', bucket: at('00:15'), value: 15 },
        { series: 'a', bucket: at('00:21'), value: 21 },
      ])
    })

    it('begins with the first bucket that begins in the range, and has a row for one whose only point lies behind the range', async () => {
      const buckets = async (from: string, to: string, given = points('a', [1])) =>
        (await filled(given, { range: during(from, to) }).execute()).map(({ bucket }) => bucket.toISOString().slice(11, 16))
      expect(await buckets('00:00', '00:10')).toEqual(['00:00', '00:05'])
      expect(await buckets('00:01', '00:11')).toEqual(['00:05', '00:10'])
      expect(await buckets('00:01', '00:05')).toEqual([])
      expect(await buckets('00:05', '00:05')).toEqual([])
      expect(await buckets('00:05', '00:07', [{ series: 'a', bucket: at('00:08'), value: 1 }])).toEqual(['00:05'])
    })

    it('carries NaN on as a value, and interpolates with it to NaN', async () => {
      const given = points('a', [1, undefined, Number.NaN, undefined, 3])
      expect(await values(filled(given, { range: during('00:00', '00:25'), fill: 'last' }))).toEqual([1, 1, Number.NaN, Number.NaN, 3])
      expect(await values(filled(given, { range: during('00:00', '00:25'), fill: 'linear' }))).toEqual([
        1,
        Number.NaN,
        Number.NaN,
        Number.NaN,
        3,
      ])
    })

    it('knows no series in an empty frame', async () => {
      for (const fill of ['null', 'zero', 'last', 'linear'] as const) expect(await filled([], { fill }).execute()).toEqual([])
    })

    it('only adds rows: one for each bucket that has none', async () => {
      const range = during('01:00', '03:00')
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ aligned: false }), fc.constantFrom('null', 'zero', 'last', 'linear'), async (given, fill) => {
          const rows = await filled(given, { range, fill }).execute()
          const within = boundedAll(given).filter(({ bucket }) => bucket >= range.from && bucket < range.to)
          const key = ({ series, bucket }: SeriesRow) => `${series} ${bucket.getTime()}`
          const keys = new Set(within.map(key))
          const kept = rows.filter((row) => keys.has(key(row)))
          // A null may have been filled; every other value is as it was.
          expect(kept.map((row, index) => (within[index]!.value === null ? { ...row, value: null } : row))).toEqual(within)
          const slot = ({ series, bucket }: SeriesRow) => `${series} ${Math.floor(bucket.getTime() / 300_000)}`
          const taken = new Set(within.map(slot))
          const added = rows.filter((row) => !keys.has(key(row)))
          expect(added.every((row) => !taken.has(slot(row)) && row.bucket.getTime() % 300_000 === 0)).toBe(true)
          expect(new Set(rows.map(slot)).size).toBe(new Set(given.map(({ series }) => series)).size * 24)
        }),
        { numRuns: 60 },
      )
    })

    it('finds the buckets that resample made', async () => {
      const hours = resample(scope, frameOf(scope, points('a', [1, ...Array<undefined>(30).fill(undefined), 2])), {
        every: '1 hour',
        with: 'sum',
      })
      expect(await values(gapfill(scope, hours, { every: '1 hour', range: during('00:00', '03:00'), fill: 'linear' }))).toEqual([1, 1.5, 2])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        filled(gappy, { fill: 'last' }),
        (eb) => eb('bucket', '>', bucketAt(2)),
        (row) => row.bucket > bucketAt(2),
      ))

    it.each([
      [{ every: '1 year' }, /^every: .*"1 year"/],
      [{ range: { from: at('01:00'), to: at('00:00') } }, /^range\.from: /],
      [{ range: undefined }, /^range: must be a time range/],
      [{ range: { from: new Date(Number.NaN), to: at('00:00') } }, /^range\.from: /],
      [{ fill: 'average' }, /^fill: .*"average"/],
      [{ every: '0.001 seconds' }, /^every: must divide the range into at most 1000000 buckets, got "0.001 seconds", which gives 1800000/],
    ])('refuses %j by name', (options, message) => {
      expect(() => filled([], options as Partial<GapfillOptions>)).toThrow(message)
    })
  })

  describe('shift', () => {
    it('puts values at a later time, or at an earlier', async () => {
      const given = frameOf(scope, points('a', [1, null, Number.NaN, 1e300]))
      expect(await shift(scope, given, { later: '10 minutes' }).execute()).toEqual(
        [1, null, Number.NaN, 1e300].map((value, index) => ({ series: 'a', bucket: bucketAt(index + 2), value })),
      )
      expect((await shift(scope, given, { earlier: '5 minutes' }).execute()).map(({ bucket }) => bucket)).toEqual(
        [-1, 0, 1, 2].map(bucketAt),
      )
    })

    it('takes a day for 24 hours, also where the session changes its clocks', async () => {
      const shifted = await scope.db.transaction().execute(async (transaction) => {
        await sql`set local time zone 'America/New_York'`.execute(transaction)
        const within = { ...scope, db: transaction }
        const given = frameOf(within, [{ series: 'a', bucket: new Date('2026-10-31T12:00:00Z'), value: 1 }])
        return shift(within, given, { later: '2 days' }).execute()
      })
      expect(shifted).toMatchObject([{ bucket: new Date('2026-11-02T12:00:00Z') }])
    })

    it('there and back is where it was', async () => {
      const duration = fc.constantFrom('0.001 seconds', '5 minutes', '7 days', '1 week 3 hours', '500 days')
      await fc.assert(
        fc.asyncProperty(arbitraryPoints(), duration, async (given, by) => {
          const there = shift(scope, frameOf(scope, given), { later: by })
          expect(await shift(scope, there, { earlier: by }).execute()).toEqual(given)
        }),
        { numRuns: 30 },
      )
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        shift(scope, frameOf(scope, points('a', [1, 2, 3])), { later: '5 minutes' }),
        (eb) => eb('bucket', '=', bucketAt(2)),
        (row) => row.bucket.getTime() === bucketAt(2).getTime(),
      ))

    it.each([
      [{}, /^options: must have either later or earlier, got {}/],
      [{ later: '1 day', earlier: '1 day' }, /^options: must have either later or earlier/],
      [{ later: '-1 day' }, /^later: .*"-1 day"/],
      [{ earlier: '1 month' }, /^earlier: .*"1 month"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => shift(scope, frameOf(scope, []), options as { later: string })).toThrow(message)
    })
  })
}
