import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callSeries } from '../../../src/calls/index.ts'
import { ensureResources } from '../../../src/catalog/index.ts'
import type { Scope } from '../../../src/database/index.ts'
import { patternSeries } from '../../../src/logs/index.ts'
import { metricSeries } from '../../../src/metrics/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import {
  aggregateAcross,
  anomalies,
  combine,
  errorBudget,
  forecast,
  gapfill,
  movingAverage,
  rate,
  resample,
  shift,
} from '../../../src/series/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { bucketAt } from '../../support/points.ts'
import { during, insertCalls, insertMetrics, insertPatternCounts, insertPatterns } from '../../support/rows.ts'

const range = during('00:00', '04:00')
const every = '5 minutes'
const buckets = Array.from({ length: 48 }, (_, index) => index)

/** Four hours: `web` is called once more each five minutes and calls `cart`; one record of a hundred is bad, but of bucket 40 half are. */
async function fill(scope: Scope): Promise<void> {
  await ensureResources(scope, [
    { urn: 'urn:web', type: 'service', name: 'web', labels: { team: 'front' } },
    { urn: 'urn:cart', type: 'service', name: 'cart', labels: { team: 'shop' } },
    { urn: 'urn:pay', type: 'service', name: 'pay', labels: { team: 'shop' } },
  ])
  await insertCalls(
    scope,
    buckets.flatMap((index) => [
      { bucket: bucketAt(index), src: 'urn:edge', dst: 'urn:web', call_count: 100 + index },
      { bucket: bucketAt(index), src: 'urn:web', dst: 'urn:cart', call_count: 50 },
    ]),
  )
  const [timeout] = await insertPatterns(scope, [
    { pattern: 'timeout', sample_message: 'timeout', severity: 'ERROR', first_seen: range.from, last_seen: range.to },
  ])
  // Silent in every other bucket, which therefore has no row.
  await insertPatternCounts(
    scope,
    buckets.flatMap((index) => [
      ...(index % 2
        ? []
        : [{ bucket: bucketAt(index), resource: 'urn:cart', fingerprint_id: timeout!, ...records(100, index === 40 ? 50 : 1) }]),
      { bucket: bucketAt(index), resource: 'urn:pay', fingerprint_id: timeout!, ...records(100, 0) },
    ]),
  )
  await insertMetrics(
    scope,
    buckets.flatMap((index) =>
      ['urn:web', 'urn:cart', 'urn:pay'].flatMap((resource, place) =>
        ['GET', 'PUT'].map((method, other) => ({
          bucket: bucketAt(index),
          resource,
          metric: 'queue.length',
          labels: { method },
          samples: [300 * index * (1 + place) * (1 + other)],
        })),
      ),
    ),
  )
}

const records = (count_total: number, count_error: number) => ({ count_total, count_error })

onEveryLeg('pipelines', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await fill(scope)
    const other = await tenant(test.db, 'other')
    await fill(other)
  })
  afterAll(() => test.close())

  it('the oddest moments of a ratio of errors to calls, silence being none', async () => {
    const errors = gapfill(scope, patternSeries(scope, { measure: 'count_error', by: 'resource', range }), { every, range, fill: 'zero' })
    const calls = callSeries(scope, { to: 'urn:cart', measure: 'call_count', range })
    const ratio = combine(scope, errors, calls, { op: 'ratio' })
    const odd = topK(scope, anomalies(scope, ratio, { window: '2 hours', minSpread: 0.01 }), 3)
    expect(odd.compile().sql).not.toContain(';')
    expect(await odd.execute()).toEqual([
      {
        series: 'urn:cart',
        item: 'urn:cart',
        bucket: bucketAt(40),
        value: 1,
        // 24 points before it: a dozen without errors, a dozen with one of fifty calls.
        expected: expect.closeTo(0.01, 12),
        spread: expect.closeTo(0.014826, 12),
        score: expect.closeTo(0.99 / 0.014826, 9),
        direction: 'up',
      },
    ])
  })

  it('how fast label sets and teams grow together, each by itself first', async () => {
    const length = metricSeries(scope, { metric: 'queue.length', measure: 'avg', range })
    const growth = rate(scope, length)
    const methods = scope.db
      .selectFrom(length.as('point'))
      .select(['point.series', sql<string | null>`"point"."labels" ->> 'method'`.as('group')])
      .distinct()
    const byMethod = await aggregateAcross(scope, growth, { with: 'sum', by: { lookup: methods } }).execute()
    // Three resources of 1, 2 and 3 a second, PUT twice as fast as GET; a first point has no rate.
    expect(byMethod.filter(({ bucket }) => bucket.getTime() === bucketAt(0).getTime())).toEqual([
      { series: 'GET', bucket: bucketAt(0), value: null, points: 0 },
      { series: 'PUT', bucket: bucketAt(0), value: null, points: 0 },
    ])
    expect(byMethod).toHaveLength(96)
    for (const { series, bucket, value, points } of byMethod.filter(({ bucket }) => bucket > bucketAt(0)))
      expect({ series, bucket, value, points }).toEqual({ series, bucket, value: series === 'GET' ? 6 : 12, points: 3 })
    expect(
      await aggregateAcross(scope, length, { with: 'sum', by: { label: 'method' } })
        .where('bucket', '=', bucketAt(10))
        .execute(),
    ).toEqual([
      { series: 'GET', bucket: bucketAt(10), value: 18_000, points: 3 },
      { series: 'PUT', bucket: bucketAt(10), value: 36_000, points: 3 },
    ])
    const teams = aggregateAcross(scope, length, { with: 'sum', by: { resourceLabel: 'team' } })
    expect(await movingAverage(scope, teams, { points: 3 }).where('bucket', '=', bucketAt(2)).execute()).toEqual([
      { series: 'front', bucket: bucketAt(2), value: 900 },
      { series: 'shop', bucket: bucketAt(2), value: 4500 },
    ])
  })

  it('the budget of what the logs say', async () => {
    const counted = (measure: 'count_total' | 'count_error') => patternSeries(scope, { measure, by: 'resource', range })
    const budget = await errorBudget(scope, { total: counted('count_total'), bad: counted('count_error') }, { objective: 0.95 }).execute()
    expect(budget).toMatchObject([
      { series: 'urn:cart', total: 2400, bad: 73, remaining: expect.closeTo(1 - 73 / 120, 12) },
      { series: 'urn:pay', total: 4800, bad: 0, remaining: 1 },
    ])
    // Counted by other names, bad events are no less there.
    const misnamed = { total: counted('count_total'), bad: patternSeries(scope, { measure: 'count_error', range }) }
    expect(await errorBudget(scope, misnamed, { objective: 0.95 }).where('total', '=', 0).execute()).toMatchObject([
      { series: 'timeout', bad: 73, remaining: null },
    ])
  })

  it('what the hours of a growing service will be', async () => {
    const hours = resample(scope, callSeries(scope, { to: 'urn:web', measure: 'call_count', range }), { every: '1 hour', with: 'sum' })
    expect((await hours.execute()).map(({ value }) => value)).toEqual([1266, 1410, 1554, 1698])
    const ahead = forecast(scope, hours, { horizon: '2 hours', every: '1 hour' })
    expect(await ahead.execute()).toEqual(
      [1842, 1986].map((value, index) => {
        const near = expect.closeTo(value, 6)
        return { series: 'urn:web', bucket: bucketAt(48 + 12 * index), value: near, lower: near, upper: near }
      }),
    )
    // Against what was said an hour before: a forecast is a series as any other.
    const against = combine(scope, shift(scope, ahead, { earlier: '1 hour' }), hours, { op: 'difference' })
    expect(await against.execute()).toMatchObject([{ series: 'urn:web', bucket: bucketAt(36), value: expect.closeTo(144, 6) }])
  })
})
