import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  activeUsers,
  cardinalityGrowth,
  distinctOver,
  distinctSeries,
  heavyHitterChanges,
  heavyHitters,
} from '../../../src/cardinality/index.ts'
import { sketch1d, sketch1h } from '../../../src/cardinality/sketchPolicy.ts'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import { affected } from '../../../src/incident/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import { anomalies } from '../../../src/series/index.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rollBefore } from '../../support/rollBefore.ts'
import { insertSketches, type SketchInput } from '../../support/sketches.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const start = Date.UTC(2026, 10, 20)
const at = (time: number) => new Date(start + time)
const between = (from: number, to: number) => ({ from: at(from), to: at(to) })
const [web, api] = ['urn:k8s:svc:shop/web', 'urn:k8s:svc:shop/api']
const users = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `u${from + index}`)

/** Every quarter of an hour of three days: at `web` more users each time, at `api` always the same few. */
const ticks = Array.from({ length: (3 * day) / (15 * minute) }, (_, index) => index * 15 * minute)
const rows: SketchInput[] = ticks.flatMap((time, index) => [
  {
    bucket: at(time),
    resource: web,
    dimension: 'user',
    items: users(index * 4, index * 4 + 12),
    failed: index % 8 === 0 ? users(index, index + 2) : [],
  },
  { bucket: at(time), resource: api, dimension: 'user', items: ['ada', 'ada', 'bob'] },
  { bucket: at(time), resource: api, dimension: 'client', items: [`c${index}`] },
])

/** What is in the rows that begin in a range. */
function truth(range: { from: Date; to: Date }, of: { dimension?: string; resource?: string } = {}) {
  const met = rows.filter(
    ({ bucket, resource, dimension }) =>
      bucket >= range.from &&
      bucket < range.to &&
      dimension === (of.dimension ?? 'user') &&
      (of.resource === undefined || of.resource === resource),
  )
  const all = met.flatMap(({ items, failed = [] }) => [...items, ...failed])
  const failed = met.flatMap((row) => row.failed ?? [])
  return { distinct: new Set(all).size, total: all.length, distinctFailed: new Set(failed).size, failed: failed.length }
}
/** Exact up to 160 values; five standard errors beyond. */
const near = (count: number) => expect.toSatisfy((given: number) => Math.abs(given - count) <= (count <= 160 ? 1e-9 : 5 * 0.023 * count))

onEveryLeg('sketches', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    scope = await tenant(test.db)
    await insertSketches(scope, rows)
    const other = await tenant(test.db, 'another')
    await insertSketches(other, [{ bucket: at(hour), resource: web, dimension: 'user', items: users(100_000, 100_500) }])
  })
  afterAll(() => test.close())

  const stages: [string, () => Promise<unknown>][] = [
    ['nothing is rolled', async () => undefined],
    [
      'a part is rolled',
      async () => {
        await rollBefore(scope, sketch1h, at(2 * day + 5 * hour))
        await rollBefore(scope, sketch1d, at(day))
      },
    ],
    [
      'everything is rolled',
      async () => {
        await rollBefore(scope, sketch1h, at(4 * day))
        await rollBefore(scope, sketch1d, at(4 * day))
      },
    ],
  ]
  describe.each(stages)('when %s', (_, roll) => {
    beforeAll(async () => {
      await roll()
      scope = await tenantScope(test.db, 't-001')
    })

    it.each([
      between(0, 3 * day),
      between(10 * minute, 20 * minute),
      between(55 * minute, 2 * hour + 10 * minute),
      between(20 * hour + 5 * minute, 2 * day + 3 * hour + 40 * minute),
      between(day, 2 * day),
    ])('count the values of a whole range: %o', async (range) => {
      const [all] = await distinctOver(scope, { dimension: 'user', range }).execute()
      const expected = truth(range)
      expect(all).toMatchObject({
        urn: null,
        distinct_count: near(expected.distinct),
        count_total: expected.total,
        count_error: expected.failed,
      })
      expect(all!.standard_error > 0).toBe(expected.distinct > 160)
      const each = await distinctOver(scope, { dimension: 'user', range, by: 'resource', measure: 'distinct_error' }).execute()
      for (const { urn, distinct_count } of each) expect(distinct_count).toEqual(near(truth(range, { resource: urn! }).distinctFailed))
      expect(each.map(({ urn }) => urn).toSorted()).toEqual([api, web])
    })

    it.each(['5 minutes', '1 hour', '6 hours', '1 day'])('have a series by %s', async (resolution) => {
      const length = { '5 minutes': 5 * minute, '1 hour': hour, '6 hours': 6 * hour, '1 day': day }[resolution]!
      for (const measure of ['distinct', 'count_total'] as const) {
        const points = await distinctSeries(scope, {
          dimension: 'user',
          resource: web,
          measure,
          range: between(0, 3 * day),
          resolution,
        }).execute()
        expect(points).toEqual(
          points.map(({ bucket }) => {
            const expected = truth({ from: bucket, to: new Date(bucket.getTime() + length) }, { resource: web })
            return { series: 'user', bucket, value: measure === 'distinct' ? near(expected.distinct) : expected.total, resource_id: null }
          }),
        )
        expect(points).toHaveLength(Math.ceil((3 * day) / Math.max(length, 15 * minute)))
      }
    })

    it('are the same bytes whatever they are read from', async () => {
      const range = between(35 * minute, 2 * day + 10 * minute)
      const read = () => distinctOver(scope, { dimension: 'user', range, by: 'resource' })
      const [exact, found] = [
        await read().execute(),
        await distinctOver({ ...scope, rolledUntil: () => null }, { dimension: 'user', range, by: 'resource' }).execute(),
      ]
      expect(found).toEqual(exact)
    })
  })

  it('count what came after its hour was rolled', async () => {
    const late = await tenant(test.db, 'late')
    const range = between(hour, 2 * hour)
    await insertSketches(late, [{ bucket: at(hour), resource: web, dimension: 'user', items: ['ada'] }])
    const rolled = async () => {
      for (const rollup of [sketch1h, sketch1d]) await rollBefore(late, rollup, at(4 * day))
    }
    await rolled()
    await insertSketches(late, [
      { bucket: at(hour + 5 * minute), resource: web, dimension: 'user', items: ['bob', 'ada'], failed: ['bob'] },
      { bucket: at(3 * hour), resource: web, dimension: 'user', items: ['eve'] },
    ])
    // A continuous aggregate shows it after its next refresh.
    if (late.installation.timeRung === 'community') await rolled()
    const now = await tenantScope(test.db, 'late')
    expect(await distinctOver(now, { dimension: 'user', range }).execute()).toMatchObject([
      { distinct_count: 2, count_total: 4, count_error: 1 },
    ])
    expect(await distinctOver(now, { dimension: 'user', range: between(0, 2 * day) }).execute()).toMatchObject([
      { distinct_count: 3, count_total: 5 },
    ])
    expect(await heavyHitters(now, { dimension: 'user', range: between(0, day) }).execute()).toMatchObject([
      { item: 'ada', min_count: 2 },
      { item: 'bob', min_count: 2 },
      { item: 'eve', min_count: 1 },
    ])
  })

  it('have nothing where nothing came', async () => {
    const range = between(-2 * day, -day)
    expect(await distinctOver(scope, { dimension: 'user', range }).execute()).toEqual([
      { urn: null, distinct_count: 0, standard_error: 0, count_total: 0, count_error: 0 },
    ])
    expect(await distinctOver(scope, { dimension: 'nothing', range: between(0, day), by: 'resource' }).execute()).toEqual([])
    expect(await distinctOver(scope, { dimension: 'user', range: between(hour, hour) }).execute()).toMatchObject([{ distinct_count: 0 }])
    expect(await heavyHitters(scope, { dimension: 'user', range }).execute()).toEqual([])
    expect(await activeUsers(scope, { range }).execute()).toEqual([])
    expect(await affected(scope, { range, baseline: between(0, hour) }).execute()).toEqual([])
  })

  it('name the most frequent values, and what moved', async () => {
    const top = await heavyHitters(scope, { dimension: 'user', range: between(0, day), limit: 2 }).execute()
    expect(top.slice(0, 2)).toMatchObject([
      { item: 'ada', score: top[0]!.min_count, certain: true },
      { item: 'bob', certain: true },
    ])
    // 96 rows of the day.
    expect(top[0]!.min_count).toBeLessThanOrEqual(192)
    expect(top[0]!.max_count).toBeGreaterThanOrEqual(192)
    const exact = await heavyHitters(scope, { dimension: 'user', resource: api, range: between(0, day), limit: 1 }).execute()
    expect(exact).toEqual([{ item: 'ada', score: 192, min_count: 192, max_count: 192, share: 2 / 3, certain: true, complete: true }])

    const moved = await heavyHitterChanges(scope, {
      dimension: 'client',
      range: between(hour, 2 * hour),
      baseline: between(0, hour),
    }).execute()
    expect(moved).toHaveLength(8)
    expect(moved.every(({ certain, score }) => certain && Math.abs(score - 1 / 3_600) < 1e-12)).toBe(true)
    expect(moved.map(({ item, max_change }) => [item, Math.sign(max_change)])).toEqual([
      ['c4', 1],
      ['c5', 1],
      ['c6', 1],
      ['c7', 1],
      ['c0', -1],
      ['c1', -1],
      ['c2', -1],
      ['c3', -1],
    ])
  })

  it('compare rates of the five minutes that were counted, wherever a range begins', async () => {
    const steady = { dimension: 'user', resource: api }
    const rates = heavyHitterChanges(scope, {
      ...steady,
      range: between(2 * hour + 7 * minute, 3 * hour + 7 * minute),
      baseline: between(0, hour),
    })
    const [first] = await rates.execute()
    expect(first).toMatchObject({ item: 'ada', score: 0, certain: false, min_rate: 8 / 3_600, baseline_min_rate: 8 / 3_600 })
    expect(() => heavyHitterChanges(scope, { ...steady, range: between(minute, 2 * minute), baseline: between(0, hour) })).toThrow(
      'range: must contain the beginning of a five-minute bucket',
    )
  })

  it('say who was active by day, week and month', async () => {
    const days = await activeUsers(scope, { range: between(day, 3 * day) }).execute()
    expect(days.map(({ bucket }) => bucket)).toEqual([at(day), at(2 * day)])
    expect(days[1]).toEqual({
      bucket: at(2 * day),
      daily: near(truth(between(2 * day, 3 * day)).distinct),
      weekly: near(truth(between(0, 3 * day)).distinct),
      monthly: near(truth(between(0, 3 * day)).distinct),
      stickiness: days[1]!.daily / days[1]!.monthly,
    })
  })

  it('say which dimension grows, and who sends it', async () => {
    const growth = await cardinalityGrowth(scope, {
      range: between(day, 2 * day),
      baseline: between(30 * minute - day, 30 * minute),
    }).execute()
    expect(growth.map(({ dimension, urn }) => [dimension, urn])).toEqual([
      ['user', web],
      ['client', api],
      ['user', api],
    ])
    expect(growth[1]).toMatchObject({
      distinct_count: 96,
      baseline_distinct_count: 2,
      growth: 48,
      score: 94,
      standard_error: 0,
      noise: false,
    })
    expect(growth[0]).toMatchObject({ noise: false })
    expect(growth[2]).toMatchObject({ score: 0, growth: 1, noise: false })
  })

  it('say how many users an incident touched', async () => {
    const range = between(2 * hour, 2 * hour + 10 * minute)
    const touched = await affected(scope, { range, baseline: between(hour, 2 * hour) }).execute()
    expect(touched).toEqual([
      {
        item: 'all',
        score: 2,
        distinct_count: 14 + 2,
        affected_count: 2,
        standard_error: 0,
        lower: 2,
        upper: 2,
        share: 2 / 16,
        baseline_share: 0,
      },
      {
        item: web,
        score: 2,
        distinct_count: 14,
        affected_count: 2,
        standard_error: 0,
        lower: 2,
        upper: 2,
        share: 2 / 14,
        baseline_share: 0,
      },
      { item: api, score: 0, distinct_count: 2, affected_count: 0, standard_error: 0, lower: 0, upper: 0, share: 0, baseline_share: 0 },
    ])
  })

  it('say nothing of a baseline in which nobody was', async () => {
    const [all] = await affected(scope, { range: between(2 * hour, 2 * hour + 10 * minute), baseline: between(-2 * hour, -hour) }).execute()
    expect(all).toMatchObject({ item: 'all', affected_count: 2, baseline_share: null })
  })

  it('count the five minutes in which an incident begins as its own', async () => {
    const touched = await affected(scope, {
      range: between(2 * hour + 2 * minute, 2 * hour + 8 * minute),
      baseline: between(hour, 2 * hour + 2 * minute),
    }).execute()
    expect(touched[0]).toMatchObject({ item: 'all', affected_count: 2, baseline_share: 0 })
  })

  it('compose: the oddest hours of users, in one statement', async () => {
    const series = distinctSeries(scope, { dimension: 'user', by: 'resource', range: between(0, 3 * day), resolution: '1 hour' })
    expect(await topK(scope, anomalies(scope, series), 3).execute()).toEqual(expect.any(Array))
    const join = scope.db
      .selectFrom(distinctOver(scope, { dimension: 'user', range: between(0, day), by: 'resource' }).as('users'))
      .innerJoin(heavyHitters(scope, { dimension: 'client', range: between(0, day), limit: 1 }).as('client'), (on) => on.onTrue())
      .select(['users.urn', 'client.item'])
    expect((await join.execute()).length).toBeGreaterThan(0)
  })

  it('are refused where they are malformed, so that no row stops a rollup', async () => {
    const [resource] = [
      (await scope.db.selectFrom(scope.table('dim_resource', 'resource')).select('resource.resource_id').execute())[0]!.resource_id,
    ]
    const insert = (distinct: string, hitters: object = { n: 1, offset: 0, counters: { a: 1 } }) =>
      test.db
        .insertInto('sketch_5m' as never)
        .values({
          bucket: at(-hour),
          tenant_id: scope.tenantId,
          resource_id: resource,
          dimension: 'x',
          count_total: 1,
          distinct_sketch: Buffer.from(distinct, 'hex'),
          heavy_hitters: JSON.stringify(hitters),
        })
        .execute()
    for (const bytes of ['', '11', '118b7f00', '128b7f00', '118c7f', '21 8b7f'.replace(' ', ''), '148b7f00', '158b7f']) {
      await expect(insert(bytes)).rejects.toThrow(/violates check constraint|hyperloglog: /)
    }
    for (const hitters of [
      {},
      { n: 2, offset: 0, counters: {} },
      { n: 1, offset: 5, counters: {} },
      { n: 1, offset: 0, counters: { a: 'x' } },
    ]) {
      await expect(insert('118b7f', hitters)).rejects.toThrow(/violates check constraint|hyperloglog: /)
    }
  })
})
