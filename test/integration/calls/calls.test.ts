import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import { callSeries } from '../../../src/calls/callSeries.ts'
import { callSummary } from '../../../src/calls/callSummary.ts'
import { slowestDependencies } from '../../../src/calls/slowestDependencies.ts'
import { resourceIds } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls, nearestRank } from '../../support/rows.ts'

const shop = (name: string) => `urn:k8s:svc:shop/${name}`
const [frontend, checkout, payment, cart, idle] = ['frontend', 'checkout', 'payment', 'cart', 'idle'].map(shop) as [
  string,
  string,
  string,
  string,
  string,
]
const hostile = `urn:x:o'brien "q" $$ \\ 🦊 --; drop table dim_resource`
const range = during('10:00', '10:10')
/** The histogram's bound, 1.083 %. */
const near = (value: number | null) => expect.toSatisfy((given: number) => Math.abs(given - value!) <= 0.01084 * Math.abs(value!))

onEveryLeg('calls', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    await insertCalls(scope, [
      { bucket: at('09:55'), src: checkout, dst: payment, latencies: [9_000, 9_000] },
      { bucket: at('10:00'), src: frontend, dst: checkout, latencies: [110, 210, 310, 410], error_count: 1 },
      { bucket: at('10:00'), src: checkout, dst: payment, latencies: [100, 200, 300], error_count: 1 },
      { bucket: at('10:00'), src: checkout, dst: cart, latencies: [5] },
      { bucket: at('10:00'), src: cart, dst: payment, latencies: [1_000] },
      { bucket: at('10:05'), src: checkout, dst: payment, latencies: [400], error_count: 1 },
      { bucket: at('10:05'), src: checkout, dst: cart, latencies: [7, 9] },
      { bucket: at('10:05'), src: checkout, dst: idle, call_count: 0, rps: null, err_rate: null, p50_ms: null, p95_ms: null },
      { bucket: at('10:05'), src: checkout, dst: hostile, latencies: [1, 2, 3] },
      { bucket: at('10:10'), src: checkout, dst: payment, latencies: [8_000, 8_000] },
    ])
    const other = await tenant(test.db, 'another')
    await insertCalls(other, [
      { bucket: at('10:00'), src: checkout, dst: payment, latencies: [50_000, 60_000], error_count: 2 },
      { bucket: at('10:05'), src: checkout, dst: cart, latencies: [70_000], error_count: 1 },
    ])
  })
  afterAll(() => test.close())

  describe('slowestDependencies', () => {
    it('averages buckets, whatever their traffic, slowest first', async () => {
      const rows = await slowestDependencies(scope, { service: checkout, range }).execute()
      expect(rows).toEqual([
        { dst_urn: payment, mean_p95_ms: (300 + 400) / 2, mean_err_rate: (1 / 3 + 1) / 2 },
        { dst_urn: cart, mean_p95_ms: (5 + 9) / 2, mean_err_rate: 0 },
        { dst_urn: hostile, mean_p95_ms: 3, mean_err_rate: 0 },
        { dst_urn: idle, mean_p95_ms: null, mean_err_rate: null },
      ])
    })

    it('gives at most as many as asked for', async () => {
      const rows = await slowestDependencies(scope, { service: checkout, range, limit: 1 }).execute()
      expect(rows.map(({ dst_urn }) => dst_urn)).toEqual([payment])
      for (const limit of [0, 1.5, -1, Number.NaN]) {
        expect(() => slowestDependencies(scope, { service: checkout, range, limit })).toThrow(/^limit: /)
      }
    })

    it('orders ties by error ratio, then by URN', async () => {
      const ties = await tenant(test.db, 'ties')
      await insertCalls(
        ties,
        ['c', 'a', 'b'].map((dst) => ({ bucket: at('10:00'), src: frontend, dst, latencies: [50], error_count: dst === 'b' ? 1 : 0 })),
      )
      const rows = await slowestDependencies(ties, { service: frontend, range }).execute()
      expect(rows.map(({ dst_urn }) => dst_urn)).toEqual(['b', 'a', 'c'])
    })

    it('is narrowed in SQL as in TypeScript, also past its limit', () =>
      expectNarrows(
        slowestDependencies(scope, { service: checkout, range, limit: 3 }),
        (eb) => eb('mean_p95_ms', '<', 100),
        (row) => row.mean_p95_ms !== null && row.mean_p95_ms < 100,
      ))
  })

  describe('callSummary', () => {
    it('adds up a range and takes percentiles of all its calls, slowest first', async () => {
      const rows = await callSummary(scope, { from: checkout, range }).execute()
      expect(rows).toEqual([
        summary(checkout, payment, [100, 200, 300, 400], 2),
        summary(checkout, cart, [5, 7, 9], 0),
        summary(checkout, hostile, [1, 2, 3], 0),
        { ...summary(checkout, idle, [], 0), err_rate: null, p50_ms: null, p95_ms: null, p99_ms: null },
      ])
    })

    it('puts all callers of a service together, or tells them apart', async () => {
      const together = await callSummary(scope, { to: payment, range }).execute()
      expect(together).toEqual([summary(null, payment, [100, 200, 300, 400, 1_000], 2)])
      const apart = await callSummary(scope, { to: payment, range, by: 'call' }).execute()
      expect(apart).toEqual([summary(cart, payment, [1_000], 0), summary(checkout, payment, [100, 200, 300, 400], 2)])
    })

    it('covers every service that is called when nothing is named', async () => {
      const rows = await callSummary(scope, { range }).execute()
      expect(rows.map(({ dst_urn, call_count }) => [dst_urn, call_count])).toEqual([
        [payment, 5],
        [checkout, 4],
        [cart, 3],
        [hostile, 3],
        [idle, 0],
      ])
    })

    it('leaves calls of unknown latency out of the percentiles only', async () => {
      const partial = await tenant(test.db, 'partial')
      await insertCalls(partial, [
        { bucket: at('10:00'), src: frontend, dst: cart, latencies: [10, 20] },
        { bucket: at('10:05'), src: frontend, dst: cart, call_count: 100, p50_ms: 500, p95_ms: 900 },
      ])
      const [row] = await callSummary(partial, { to: cart, range }).execute()
      expect(row).toMatchObject({ call_count: 102, p50_ms: near(10), p99_ms: near(20) })
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        callSummary(scope, { from: checkout, range }),
        (eb) => eb('err_rate', '>', 0.01),
        (row) => row.err_rate !== null && row.err_rate > 0.01,
      ))

    const summary = (src_urn: string | null, dst_urn: string, latencies: number[], errors: number) => ({
      src_urn,
      dst_urn,
      call_count: latencies.length,
      error_count: errors,
      rps: latencies.length / 600,
      err_rate: errors / latencies.length,
      p50_ms: near(nearestRank(latencies, 0.5)),
      p95_ms: near(nearestRank(latencies, 0.95)),
      p99_ms: near(nearestRank(latencies, 0.99)),
    })
  })

  describe('callSeries', () => {
    it('gives one dependency as stored', async () => {
      const p95 = await callSeries(scope, { from: checkout, to: payment, measure: 'p95_ms', range }).execute()
      const series = `${checkout} -> ${payment}`
      expect(p95).toEqual([
        { series, bucket: at('10:00'), value: 300, resource_id: null },
        { series, bucket: at('10:05'), value: 400, resource_id: null },
      ])
      const counts = await callSeries(scope, { from: checkout, to: payment, measure: 'call_count', range }).execute()
      expect(counts.map(({ value }) => value)).toEqual([3, 1])
    })

    it('puts all callers of a service together', async () => {
      const values = async (measure: 'p50_ms' | 'p95_ms' | 'err_rate' | 'rps' | 'call_count' | 'error_count') => {
        const rows = await callSeries(scope, { to: payment, measure, range }).execute()
        expect(rows.map(({ series, bucket }) => [series, bucket])).toEqual([
          [payment, at('10:00')],
          [payment, at('10:05')],
        ])
        return rows.map(({ value }) => value)
      }
      expect(await values('p50_ms')).toEqual([near(200), near(400)])
      expect(await values('p95_ms')).toEqual([near(1_000), near(400)])
      expect(await values('err_rate')).toEqual([1 / 4, 1])
      expect(await values('call_count')).toEqual([4, 1])
      expect(await values('error_count')).toEqual([1, 1])
      expect(await values('rps')).toEqual([3 / 300 + 1 / 300, 1 / 300].map((value) => expect.closeTo(value, 12)))
    })

    it('gives a service one series for each service it calls, or one for all it calls', async () => {
      const ids = await resourceIds(scope, [cart, checkout])
      const each = await callSeries(scope, { from: checkout, measure: 'call_count', range }).execute()
      expect(each.filter(({ series }) => series === cart)).toEqual([
        { series: cart, bucket: at('10:00'), value: 1, resource_id: ids.get(cart) },
        { series: cart, bucket: at('10:05'), value: 2, resource_id: ids.get(cart) },
      ])
      expect([...new Set(each.map(({ series }) => series))].sort()).toEqual([cart, hostile, idle, payment].sort())
      const all = await callSeries(scope, { from: checkout, measure: 'call_count', range, by: 'caller' }).execute()
      expect(all).toEqual([
        { series: checkout, bucket: at('10:00'), value: 4, resource_id: ids.get(checkout) },
        { series: checkout, bucket: at('10:05'), value: 6, resource_id: ids.get(checkout) },
      ])
    })

    it('has a null where a bucket did not measure', async () => {
      for (const by of ['call', 'callee'] as const) {
        const rows = await callSeries(scope, { from: checkout, to: idle, measure: 'p95_ms', range, by }).execute()
        expect(rows.map(({ value }) => value)).toEqual([null])
      }
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        callSeries(scope, { from: checkout, measure: 'p95_ms', range }),
        (eb) => eb('bucket', '>=', at('10:05')),
        (row) => row.bucket >= at('10:05'),
      ))
  })

  describe("the callee's side", () => {
    let sides: Scope
    beforeAll(async () => {
      sides = await tenant(test.db, 'sides')
      await insertCalls(sides, [
        { bucket: at('10:00'), src: checkout, dst: payment, latencies: [100, 200, 300], calleeLatencies: [10, 20] },
        { bucket: at('10:00'), src: cart, dst: payment, latencies: [50], calleeLatencies: [40] },
        { bucket: at('10:05'), src: checkout, dst: payment, latencies: [400, 500], calleeLatencies: [30] },
        { bucket: at('10:05'), src: checkout, dst: idle, latencies: [7, 8] },
      ])
    })

    it('is what the spans of callees took, where any came', async () => {
      const summary = await callSummary(sides, { from: checkout, range, side: 'callee' }).execute()
      expect(summary).toMatchObject([
        { dst_urn: payment, call_count: 5, p50_ms: near(20), p95_ms: near(30), p99_ms: near(30) },
        { dst_urn: idle, call_count: 2, p50_ms: null, p95_ms: null, p99_ms: null },
      ])
      const edges = await callsDuring(sides, { range, side: 'callee' }).execute()
      expect(edges.map(({ call_count, p95_ms }) => [call_count, p95_ms])).toEqual(
        expect.arrayContaining([
          [5, near(30)],
          [1, near(40)],
          [2, null],
        ]),
      )
    })

    it('has series of its own, as stored, of several callers and of longer buckets', async () => {
      const values = async (options: Partial<Parameters<typeof callSeries>[1]>) => {
        const points = await callSeries(sides, { to: payment, measure: 'p95_ms', side: 'callee', range, ...options }).execute()
        return points.map(({ value }) => value)
      }
      expect(await values({ from: checkout })).toEqual([20, 30])
      expect(await values({ from: checkout, measure: 'p50_ms' })).toEqual([10, 30])
      expect(await values({})).toEqual([near(40), near(30)])
      expect(await values({ resolution: '1 hour', range: during('10:00', '11:00') })).toEqual([near(40)])
      expect(await values({ to: idle })).toEqual([null])
    })

    it('is refused where a measure has none', () => {
      expect(() => callSeries(sides, { to: payment, measure: 'rps', side: 'callee', range })).toThrow(
        'side: rps is one number for both sides: a side is of p50_ms and p95_ms',
      )
    })
  })

  describe('callsDuring', () => {
    it('has one edge for each pair, by resource ids', async () => {
      const ids = await resourceIds(scope, [frontend, checkout, payment, cart, idle, hostile])
      const edge = (src: string, dst: string, latencies: number[], errors: number) => ({
        src: ids.get(src),
        dst: ids.get(dst),
        weight: latencies.length / 600,
        call_count: latencies.length,
        error_count: errors,
        err_rate: latencies.length === 0 ? null : errors / latencies.length,
        p95_ms: latencies.length === 0 ? null : near(nearestRank(latencies, 0.95)),
      })
      const edges = await callsDuring(scope, { range }).execute()
      const expected = [
        edge(frontend, checkout, [110, 210, 310, 410], 1),
        edge(checkout, payment, [100, 200, 300, 400], 2),
        edge(checkout, cart, [5, 7, 9], 0),
        edge(cart, payment, [1_000], 0),
        edge(checkout, idle, [], 0),
        edge(checkout, hostile, [1, 2, 3], 0),
      ].sort((a, b) => Number(a.src) - Number(b.src) || Number(a.dst) - Number(b.dst))
      expect(edges).toEqual(expected)
    })

    it('counts only the buckets that the condition keeps', async () => {
      const failing = await callsDuring(scope, { range, where: (eb) => eb('call.err_rate', '>', 0.5) }).execute()
      expect(failing).toMatchObject([{ call_count: 1, error_count: 1, err_rate: 1, p95_ms: near(400) }])
    })

    it('keeps the tenant whatever the condition says', async () => {
      const all = await callsDuring(scope, { range, where: (eb) => eb.or([eb.lit(true), eb('call.call_count', '>=', '0')]) }).execute()
      expect(all).toEqual(await callsDuring(scope, { range }).execute())
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        callsDuring(scope, { range }),
        (eb) => eb('p95_ms', '>', 100),
        (row) => row.p95_ms !== null && row.p95_ms > 100,
      ))
  })

  it.each([
    ['an empty range', during('10:00', '10:00'), checkout],
    ['a range without data', during('03:00', '04:00'), checkout],
  ])('answers nothing for %s', async (_, range, service) => {
    expect(await slowestDependencies(scope, { service, range }).execute()).toEqual([])
    expect(await callSummary(scope, { from: service, range }).execute()).toEqual([])
    expect(await callSeries(scope, { from: service, measure: 'p95_ms', range }).execute()).toEqual([])
    expect(await callSeries(scope, { to: service, measure: 'rps', range: during('03:00', '03:00') }).execute()).toEqual([])
    if (service === checkout) expect(await callsDuring(scope, { range }).execute()).toEqual([])
  })

  it('takes hostile URNs as data', async () => {
    const [row] = await callSummary(scope, { to: hostile, range }).execute()
    expect(row).toMatchObject({ dst_urn: hostile, call_count: 3 })
    const points = await callSeries(scope, { from: checkout, to: hostile, measure: 'p95_ms', range }).execute()
    expect(points).toEqual([{ series: `${checkout} -> ${hostile}`, bucket: at('10:05'), value: 3, resource_id: null }])
    expect(await slowestDependencies(scope, { service: hostile, range }).execute()).toEqual([])
  })
})
