import fc from 'fast-check'
import { sql, type Explainable } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callSeries, type CallMeasure } from '../../../src/calls/callSeries.ts'
import { ensureResources } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import type { Json } from '../../../src/schema/text.ts'
import { aggregateAcross, type AggregateAcrossOptions, type ByResource } from '../../../src/series/algebra/aggregateAcross.ts'
import { combine, type CombineOptions } from '../../../src/series/algebra/combine.ts'
import { gapfill } from '../../../src/series/algebra/gapfill.ts'
import { join, type JoinOptions } from '../../../src/series/algebra/join.ts'
import { rate } from '../../../src/series/algebra/rate.ts'
import { resample } from '../../../src/series/algebra/resample.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { at, during, insertCalls } from '../../support/rows.ts'
import { arbitraryPoints, boundedAll, near } from './arbitraryPoints.ts'

onEveryLeg('several series', () => {
  let test: TestDatabase
  let scope: Scope
  let other: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    other = await tenant(test.db, 't-002')
  })
  afterAll(() => test.close())

  describe('join', () => {
    const joined = (left: readonly SeriesRow[], right: readonly SeriesRow[], options?: JoinOptions) =>
      join(scope, frameOf(scope, left), frameOf(scope, right), options).execute()
    const brief = async (...given: Parameters<typeof joined>) =>
      (await joined(...given)).map(({ series, bucket, left, right }) => [
        series,
        (bucket.getTime() - bucketAt(0).getTime()) / 300_000,
        left,
        right,
      ])

    it('puts the values of the same series and bucket side by side', async () => {
      const left = [...points('a', [1, 2, null]), ...points('only left', [5])]
      const right = [...points('a', [undefined, 20, 30, 40]), ...points('only right', [6])]
      expect(await joined(left, right)).toEqual([
        { series: 'a', bucket: bucketAt(1), left: 2, right: 20 },
        { series: 'a', bucket: bucketAt(2), left: null, right: 30 },
      ])
      expect(await brief(left, right, { how: 'full' })).toEqual([
        ['a', 0, 1, null],
        ['a', 1, 2, 20],
        ['a', 2, null, 30],
        ['a', 3, null, 40],
        ['only left', 0, 5, null],
        ['only right', 0, null, 6],
      ])
    })

    it('compares every series with the one of the other side, by bucket', async () => {
      const left = [...points('a', [1, 2]), ...points('b', [undefined, 4])]
      const right = points('total', [10, 20, 30])
      expect(await brief(left, right, { on: 'bucket' })).toEqual([
        ['a / total', 0, 1, 10],
        ['a / total', 1, 2, 20],
        ['b / total', 1, 4, 20],
      ])
      expect(await brief(left, right, { on: 'bucket', how: 'full' })).toEqual([
        ['a / total', 0, 1, 10],
        ['a / total', 1, 2, 20],
        ['a / total', 2, null, 30],
        ['b / total', 0, null, 10],
        ['b / total', 1, 4, 20],
        ['b / total', 2, null, 30],
      ])
    })

    it('makes all pairs of several series on both sides', async () => {
      const both = [...points('a', [1]), ...points('b', [2])]
      expect((await joined(both, both, { on: 'bucket' })).map(({ series }) => series)).toEqual(['a / a', 'a / b', 'b / a', 'b / b'])
    })

    it('keeps pairs apart whose names would read the same', async () => {
      const left = [...points('a', [1]), ...points('a / b', [undefined, 2])]
      const right = [...points('b / c', [undefined, 10]), ...points('c', [20])]
      const rows = await brief(left, right, { on: 'bucket', how: 'full' })
      expect(rows.filter(([name]) => name === 'a / b / c')).toHaveLength(4)
    })

    it('has no rows where one side is empty, unless all of both are asked for', async () => {
      const some = points('a', [1])
      for (const on of ['series', 'bucket'] as const) {
        expect(await joined(some, [], { on })).toEqual([])
        expect(await joined([], some, { on })).toEqual([])
        expect(await joined([], [], { on, how: 'full' })).toEqual([])
      }
      expect(await brief(some, [], { how: 'full' })).toEqual([['a', 0, 1, null]])
      expect(await brief([], some, { how: 'full' })).toEqual([['a', 0, null, 1]])
      expect(await brief([], some, { on: 'bucket', how: 'full' })).toEqual([])
    })

    it('joins what was joined and read again, and series with quotes in their names', async () => {
      const name = `it's "a" / b; --`
      const once = join(scope, frameOf(scope, points(name, [1])), frameOf(scope, points('x', [2])), { on: 'bucket' })
      const again = scope.db.selectFrom(once.as('once')).select(['once.series', 'once.bucket', 'once.right as value'])
      expect(await join(scope, again, again, { on: 'bucket' }).execute()).toEqual([
        { series: `${name} / x / ${name} / x`, bucket: bucketAt(0), left: 2, right: 2 },
      ])
    })

    it('is in full what each side has, for any frames', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints(), arbitraryPoints(), async (left, right) => {
          const key = ({ series, bucket }: { series: string; bucket: Date }) => `${series} ${bucket.getTime()}`
          const keys = (rows: readonly SeriesRow[]) => new Set(rows.map(key))
          const full = await joined(left, right, { how: 'full' })
          expect(new Set(full.map(key))).toEqual(new Set([...keys(left), ...keys(right)]))
          expect(full).toHaveLength(new Set([...keys(left), ...keys(right)]).size)
          const inner = await joined(left, right)
          expect(inner).toEqual(full.filter((row) => keys(left).has(key(row)) && keys(right).has(key(row))))
        }),
        { numRuns: 30 },
      )
    })

    it('compares no bucket with all others, whatever the planner takes a frame for', async () => {
      const range = { from: bucketAt(0), to: bucketAt(100) }
      const filled = gapfill(scope, frameOf(scope, points('a', [1, 2])), { every: '5 minutes', range, fill: 'linear' })
      const plan = async (frame: Explainable) =>
        (await frame.explain<{ 'QUERY PLAN': string }>('text'))
          .map((line) => line['QUERY PLAN'])
          .filter((line) => /Join|Nested Loop/.test(line))
      // Slots are made for each series by a nested loop without a condition: once in a gapfill.
      const slots = expect.stringMatching(/^\s*->\s+Nested Loop {2}/)
      expect(await plan(filled)).toEqual([slots])
      expect(await plan(join(scope, filled, filled, { how: 'full' }))).toEqual([slots, slots])
      expect(await plan(gapfill(scope, rate(scope, filled), { every: '5 minutes', range, fill: 'last' }))).toEqual([slots, slots])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        join(scope, frameOf(scope, points('a', [1, 2])), frameOf(scope, points('a', [3, 4])), { on: 'bucket' }),
        (eb) => eb('left', '>', 1),
        (row) => row.left! > 1,
      ))

    it.each([
      [{ on: 'time' }, /^on: .*"time"/],
      [{ how: 'left' }, /^how: .*"left"/],
      [{ where: 1 }, /^options: has no key "where"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => join(scope, frameOf(scope, []), frameOf(scope, []), options as JoinOptions)).toThrow(message)
    })
  })

  describe('combine', () => {
    const combined = async (left: (number | null)[], right: (number | null)[], options: CombineOptions) =>
      (await combine(scope, frameOf(scope, points('a', left)), frameOf(scope, points('a', right)), options).execute()).map(
        ({ value }) => value,
      )

    it.each([
      ['ratio', [0.5, null, 2, null, null, 0]],
      ['difference', [-2, 3, 2, null, null, -5]],
      ['sum', [6, 3, 6, null, null, 5]],
      ['product', [8, 0, 8, null, null, 0]],
    ] as const)('makes the %s of two series, null where a value is, or a ratio has no answer', async (op, expected) => {
      expect(await combined([2, 3, 4, null, 1, 0], [4, 0, 2, 1, null, 5], { op })).toEqual(expected)
    })

    it('has NaN and the infinities as arithmetic has them, and never an overflow', async () => {
      expect(await combined([Number.NaN, Infinity, Infinity, 1], [1, 2, Infinity, Infinity], { op: 'ratio' })).toEqual([
        Number.NaN,
        Infinity,
        Number.NaN,
        0,
      ])
      expect(await combined([1e99, 1e308, 1e-99], [1e99, 2, 1e-99], { op: 'product' })).toEqual([near(1e198), Infinity, near(1e-198)])
      expect(await combined([1e99, 1e308, 1e-320], [1e-99, 1e-320, 1], { op: 'ratio' })).toEqual([near(1e198), null, 0])
    })

    it('names the series by bucket after both, or as told', async () => {
      const [errors, calls] = [frameOf(scope, points('errors', [1])), frameOf(scope, points('calls', [4]))]
      expect(await combine(scope, errors, calls, { op: 'ratio', on: 'bucket' }).execute()).toEqual([
        { series: 'errors / calls', bucket: bucketAt(0), value: 0.25 },
      ])
      expect(await combine(scope, errors, calls, { op: 'ratio', on: 'bucket', series: `it's "an" error ratio` }).execute()).toMatchObject([
        { series: `it's "an" error ratio`, value: 0.25 },
      ])
    })

    it('of a series with itself is 1, 0, or twice it', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints(), fc.constantFrom('ratio', 'difference', 'sum'), async (given, op) => {
          const frame = frameOf(scope, given)
          const model = (value: number) =>
            op === 'ratio' ? (value === 0 ? null : value / value) : op === 'sum' ? value + value : value - value
          const expected = boundedAll(given).map((point) => ({ ...point, value: point.value === null ? null : model(point.value) }))
          expect(await combine(scope, frame, frame, { op }).execute()).toEqual(expected)
        }),
        { numRuns: 40 },
      )
    })

    it('is the error ratio of each hour, from what was counted every five minutes', async () => {
      const call = { src: 'urn:web', dst: 'urn:shop' }
      await insertCalls(scope, [
        { ...call, bucket: at('10:00'), call_count: 100, error_count: 1 },
        { ...call, bucket: at('10:55'), call_count: 300, error_count: 11 },
        { ...call, bucket: at('11:00'), call_count: 50, error_count: 0 },
      ])
      const hourly = (measure: CallMeasure) =>
        resample(scope, callSeries(scope, { to: 'urn:shop', measure, range: during('10:00', '12:00') }), { every: '1 hour', with: 'sum' })
      expect(await combine(scope, hourly('error_count'), hourly('call_count'), { op: 'ratio' }).execute()).toEqual([
        { series: 'urn:shop', bucket: at('10:00'), value: 0.03 },
        { series: 'urn:shop', bucket: at('11:00'), value: 0 },
      ])
    })

    it('turns back: the difference and the other series add up to the one', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ finite: true }), arbitraryPoints({ finite: true }), async (left, right) => {
          const [one, two] = [frameOf(scope, left), frameOf(scope, right)]
          const back = combine(scope, combine(scope, one, two, { op: 'difference' }), two, { op: 'sum' })
          const both = await join(scope, one, two).execute()
          expect(await back.execute()).toEqual(
            both.map((row) => ({
              series: row.series,
              bucket: row.bucket,
              value: row.left === null || row.right === null ? null : expect.closeTo(row.left, 6),
            })),
          )
        }),
        { numRuns: 30 },
      )
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        combine(scope, frameOf(scope, points('a', [1, 2])), frameOf(scope, points('a', [2, 2])), { op: 'ratio' }),
        (eb) => eb('value', '<', 1),
        (row) => row.value! < 1,
      ))

    it.each([
      [{}, /^op: /],
      [{ op: 'quotient' }, /^op: .*"quotient"/],
      [{ op: 'sum', series: '' }, /^series: must not be empty/],
      [{ op: 'sum', series: 'a\u0000' }, /^series: must not contain the NUL character/],
      [{ op: 'sum', how: 'full' }, /^options: has no key "how"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => combine(scope, frameOf(scope, []), frameOf(scope, []), options as CombineOptions)).toThrow(message)
    })
  })

  describe('aggregateAcross', () => {
    interface Member extends SeriesRow {
      resource_id: string | null
      labels: Record<string, Json>
    }
    /** A frame of points that say which resource they are of, and their labels. */
    const membersFrame = (within: Scope, given: readonly Member[]) =>
      within.db
        .selectFrom(
          sql<Member>`jsonb_to_recordset(${JSON.stringify(given)}::jsonb)`.as<'given'>(
            sql`given (series text, bucket timestamptz, value float8, resource_id int8, labels jsonb)`,
          ),
        )
        .selectAll('given')
    const member = (series: string, values: (number | null)[], more: Partial<Member> = {}): Member[] =>
      points(series, values).map((point) => ({ ...point, resource_id: null, labels: {}, ...more }))
    const across = [...points('a', [1, 5, null]), ...points('b', [3, undefined, null, 8]), ...points('c', [8])]

    it.each([
      ['sum', [12, 5, null, 8]],
      ['avg', [4, 5, null, 8]],
      ['min', [1, 5, null, 8]],
      ['max', [8, 5, null, 8]],
      ['count', [3, 1, 0, 1]],
      ['median', [3, 5, null, 8]],
    ] as const)('makes one series of all by %s, and says of how many', async (how, expected) => {
      const rows = await aggregateAcross(scope, frameOf(scope, across), { with: how }).execute()
      expect(rows).toEqual(
        [3, 1, 0, 1].map((counted, index) => ({ series: 'all', bucket: bucketAt(index), value: expected[index], points: counted })),
      )
    })

    it('groups by what the catalog says of the resource, and by its labels', async () => {
      const ids = await ensureResources(scope, [
        { urn: 'urn:a', type: 'host', name: 'a', env: 'prod', region: 'eu', zone: 'eu-1', labels: { team: 'red' } },
        {
          urn: 'urn:b',
          type: 'host',
          name: 'b',
          env: 'prod',
          region: 'us',
          zone: 'us-1',
          labels: { team: `it's "blue"`, 'cost center': 7 },
        },
        { urn: 'urn:c', type: 'service', name: 'c', env: 'test' },
      ])
      const foreign = await ensureResources(other, [
        { urn: 'urn:d', type: 'host', name: 'd', env: 'prod', region: 'eu', labels: { team: 'red' } },
      ])
      const frame = membersFrame(scope, [
        ...member('a', [1], { resource_id: ids.get('urn:a')! }),
        ...member('b', [10], { resource_id: ids.get('urn:b')! }),
        ...member('c', [100], { resource_id: ids.get('urn:c')! }),
        ...member('another tenant', [1_000], { resource_id: foreign.get('urn:d')! }),
        ...member('no resource', [10_000]),
      ])
      const sums = async (by: ByResource) =>
        Object.fromEntries((await aggregateAcross(scope, frame, { with: 'sum', by }).execute()).map(({ series, value }) => [series, value]))
      expect(await sums({ resource: 'env' })).toEqual({ prod: 11, test: 100, '': 11_000 })
      expect(await sums({ resource: 'region' })).toEqual({ eu: 1, us: 10, '': 11_100 })
      expect(await sums({ resource: 'zone' })).toEqual({ 'eu-1': 1, 'us-1': 10, '': 11_100 })
      expect(await sums({ resource: 'type' })).toEqual({ host: 11, service: 100, '': 11_000 })
      expect(await sums({ resourceLabel: 'team' })).toEqual({ red: 1, [`it's "blue"`]: 10, '': 11_100 })
      expect(await sums({ resourceLabel: 'cost center' })).toEqual({ '7': 10, '': 11_101 })
      expect(await sums({ resourceLabel: `no'"such` })).toEqual({ '': 11_111 })
    })

    it(`groups by the series' own labels, those without one together with those whose label is empty`, async () => {
      const frame = membersFrame(scope, [
        ...member('a', [1], { labels: { 'http.request.method': 'GET', code: 200 } }),
        ...member('b', [2], { labels: { 'http.request.method': 'GET', code: 500 } }),
        ...member('c', [4], { labels: { 'http.request.method': '' } }),
        ...member('d', [8], { labels: { 'http.request.method': null } }),
        ...member('e', [16]),
      ])
      expect(await aggregateAcross(scope, frame, { with: 'sum', by: { label: 'http.request.method' } }).execute()).toEqual([
        { series: '', bucket: bucketAt(0), value: 28, points: 3 },
        { series: 'GET', bucket: bucketAt(0), value: 3, points: 2 },
      ])
      const codes = await aggregateAcross(scope, frame, { with: 'count', by: { label: 'code' } }).execute()
      expect(codes.map(({ series, value }) => [series, value])).toEqual([
        ['', 3],
        ['200', 1],
        ['500', 1],
      ])
    })

    it('groups by a query of the user, after the rate of each counter', async () => {
      const counters = frameOf(scope, [...points('a', [0, 300]), ...points('b', [900, 300]), ...points('c', [0, 600])])
      const lookup = scope.db
        .selectFrom(
          sql<{ series: string; group: string | null }>`(values ('a', 'red'), ('b', 'red'), ('x', 'red'))`.as<'team'>(
            sql`team (series, "group")`,
          ),
        )
        .selectAll('team')
      const rows = await aggregateAcross(scope, rate(scope, counters, { counter: true }), { with: 'sum', by: { lookup } }).execute()
      expect(rows).toEqual([
        { series: '', bucket: bucketAt(0), value: null, points: 0 },
        { series: '', bucket: bucketAt(1), value: 2, points: 1 },
        { series: 'red', bucket: bucketAt(0), value: null, points: 0 },
        { series: 'red', bucket: bucketAt(1), value: 2, points: 2 },
      ])
    })

    it('answers an empty frame with nothing, and does not overflow', async () => {
      expect(await aggregateAcross(scope, frameOf(scope, []), { with: 'sum' }).execute()).toEqual([])
      const large = frameOf(scope, [...points('a', [1.7e308, 1e100, Number.NaN]), ...points('b', [1.7e308, 1e100, 1])])
      for (const how of ['sum', 'avg'] as const) {
        const rows = await aggregateAcross(scope, large, { with: how }).execute()
        expect(rows.map(({ value }) => value)).toEqual([Infinity, how === 'sum' ? 2e100 : 1e100, Number.NaN])
      }
    })

    it('of one series is the series, but for its name', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints(), fc.constantFrom('sum', 'avg', 'min', 'max', 'median'), async (given, how) => {
          const mine = given.filter(({ series }) => series === 'a')
          const rows = await aggregateAcross(scope, frameOf(scope, mine), { with: how }).execute()
          expect(rows).toEqual(boundedAll(mine).map((point) => ({ ...point, series: 'all', points: point.value === null ? 0 : 1 })))
        }),
        { numRuns: 40 },
      )
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        aggregateAcross(scope, frameOf(scope, across), { with: 'sum' }),
        (eb) => eb('points', '=', 1),
        (row) => row.points === 1,
      ))

    it.each([
      [{}, /^with: /],
      [{ with: 'p95' }, /^with: .*"p95"/],
      [{ with: 'sum', by: {} }, /^by: must have one of resource, resourceLabel, label, lookup, got {}/],
      [{ with: 'sum', by: { label: 'a', resourceLabel: 'b' } }, /^by: must have one of .*"resourceLabel":"b"/],
      [{ with: 'sum', by: { resource: 'labels' } }, /^by\.resource: .*"labels"/],
      [{ with: 'sum', by: { label: '' } }, /^by\.label: must not be empty/],
      [{ with: 'sum', by: { lookup: 'select' } }, /^by\.lookup: must be a query, got "select"/],
      [{ with: 'sum', by: 'region' }, /^by: .*"region"/],
    ])('refuses %j by name', (options, message) => {
      const frame = membersFrame(scope, [])
      expect(() => aggregateAcross(scope, frame, options as AggregateAcrossOptions<ByResource>)).toThrow(message)
    })
  })
})
