import { afterAll, beforeAll, expect, it } from 'vitest'
import { compareCalls } from '../../../src/calls/compareCalls.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { seededRandom } from '../../../src/graph/analysis/seededRandom.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls } from '../../support/rows.ts'

const shop = (name: string) => `urn:k8s:svc:shop/${name}`
const front = shop('front')
const windows = { baseline: during('10:00', '10:15'), candidate: during('10:30', '10:45') }

interface Given {
  /** Milliseconds around which latencies lie. */
  ms: number
  /** How many of a bucket's calls fail. */
  errors?: number
  calls?: number
}

onEveryLeg('compareCalls', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    const random = seededRandom(9)
    const bucket = (time: string, name: string, { ms, errors = 1, calls = 100 }: Given) => ({
      bucket: at(time),
      src: front,
      dst: shop(name),
      latencies: Array.from({ length: calls }, () => ms * (0.5 + random())),
      calleeLatencies: Array.from({ length: calls }, () => 10 * (0.5 + random())),
      error_count: errors,
    })
    const service = (name: string, before: Given, after: Given | null) => [
      ...['10:00', '10:05', '10:10'].map((time) => bucket(time, name, before)),
      ...(after === null ? [] : ['10:30', '10:35', '10:40'].map((time) => bucket(time, name, after))),
    ]
    await insertCalls(scope, [
      ...service('outage', { ms: 75 }, { ms: 620 }),
      ...service('failing', { ms: 75 }, { ms: 75, errors: 12 }),
      ...service('calm', { ms: 75 }, { ms: 76 }),
      ...service('better', { ms: 300, errors: 20 }, { ms: 75, errors: 1 }),
      ...service('seldom', { ms: 75, calls: 10 }, { ms: 620, calls: 10 }),
      ...service('gone', { ms: 75 }, null),
      { ...bucket('10:35', 'new', { ms: 75 }) },
      // Between the windows.
      bucket('10:20', 'calm', { ms: 9_000, errors: 100 }),
    ])
    await insertCalls(await tenant(test.db, 'another'), [bucket('10:30', 'calm', { ms: 90_000, errors: 100 })])
  })
  afterAll(() => test.close())

  const verdicts = async (options: Partial<Parameters<typeof compareCalls>[1]> = {}) =>
    Object.fromEntries(
      (await compareCalls(scope, { ...windows, ...options }).execute()).map(({ dst_urn, verdict, latency_verdict, errors_verdict }) => [
        dst_urn.slice(shop('').length),
        `${verdict}: ${latency_verdict}, ${errors_verdict}`,
      ]),
    )

  it('tells what is worse at the height of an outage, from three buckets; and what cannot be told', async () => {
    expect(await verdicts()).toEqual({
      outage: 'worse: slower, same',
      failing: 'worse: same, more',
      calm: 'same: same, same',
      better: 'better: faster, fewer',
      seldom: 'unknown: unknown, unknown',
      gone: 'unknown: unknown, unknown',
      new: 'unknown: unknown, unknown',
    })
  })

  it('gives what is worse first, with figures and what bounds them', async () => {
    const rows = await compareCalls(scope, windows).execute()
    expect(rows.map(({ verdict }) => verdict)).toEqual(['worse', 'worse', 'unknown', 'unknown', 'unknown', 'same', 'better'])
    const [outage] = rows
    expect(outage).toEqual({
      src_urn: null,
      dst_urn: shop('outage'),
      verdict: 'worse',
      latency_verdict: 'slower',
      errors_verdict: 'same',
      baseline_calls: 300,
      candidate_calls: 300,
      baseline_ms: expect.closeTo(109, -1),
      candidate_ms: expect.closeTo(899, -2),
      ratio: expect.closeTo(8.2, 0),
      ratio_low: expect.any(Number),
      ratio_high: expect.any(Number),
      baseline_err_rate: 0.01,
      candidate_err_rate: 0.01,
      err_rate_change: 0,
      err_rate_change_low: expect.any(Number),
      err_rate_change_high: expect.any(Number),
    })
    expect(outage!.ratio_low!).toBeGreaterThan(7)
    expect(outage!.ratio_high!).toBeLessThan(10)
    expect(outage!.err_rate_change_low!).toBeCloseTo(-outage!.err_rate_change_high!, 12)
    const failing = rows.find(({ dst_urn }) => dst_urn === shop('failing'))!
    expect(failing.err_rate_change).toBeCloseTo(0.11, 12)
    expect(failing.err_rate_change_low!).toBeGreaterThan(0.03)
    expect(failing.err_rate_change_high!).toBeLessThan(0.25)
    expect(rows.find(({ dst_urn }) => dst_urn === shop('gone'))).toMatchObject({
      baseline_calls: 300,
      candidate_calls: 0,
      candidate_ms: null,
      ratio: null,
      candidate_err_rate: null,
      err_rate_change: null,
      err_rate_change_low: null,
    })
  })

  it('compares another percentile, what callees took, one call of many, and calls seldom made where fewer are enough', async () => {
    const to = shop('outage')
    expect(await compareCalls(scope, { ...windows, to, percentile: 0.5 }).execute()).toMatchObject([
      { verdict: 'worse', baseline_ms: expect.closeTo(75, -1), candidate_ms: expect.closeTo(620, -2) },
    ])
    expect(await compareCalls(scope, { ...windows, to, side: 'callee' }).execute()).toMatchObject([
      { verdict: 'same', baseline_ms: expect.closeTo(14.5, 0) },
    ])
    expect(await compareCalls(scope, { ...windows, from: front, to }).execute()).toMatchObject([{ src_urn: front, verdict: 'worse' }])
    expect(await verdicts({ to: shop('seldom'), percentile: 0.5, minCalls: 30 })).toEqual({ seldom: 'worse: slower, same' })
  })

  it('calls nothing changed below what matters', async () => {
    expect(await verdicts({ minRatio: 20, minErrorChange: 0.5, to: shop('outage') })).toEqual({ outage: 'same: same, same' })
    expect(await verdicts({ minRatio: 20, minErrorChange: 0.5, to: shop('failing') })).toEqual({ failing: 'same: same, same' })
  })

  it('is surer of a baseline that is steady than of one that swings', async () => {
    const swinging = await tenant(test.db, 'swinging')
    const random = seededRandom(10)
    const rows = (name: string, swing: number) =>
      Array.from({ length: 15 }, (_, n) => ({
        bucket: new Date(at('09:00').getTime() + n * 300_000),
        src: front,
        dst: shop(name),
        latencies: Array.from({ length: 200 }, () => (n < 12 ? 100 : 150) * (n % 2 === 0 ? 1 : swing) * (0.5 + random())),
        // As many in all, in bursts or not.
        error_count: n < 12 ? (swing === 1 ? 4 : n % 6 === 0 ? 24 : 0) : 12,
      }))
    await insertCalls(swinging, [...rows('steady', 1), ...rows('swings', 3)])
    const found = await compareCalls(swinging, { baseline: during('09:00', '10:00'), candidate: during('10:00', '10:15') }).execute()
    expect(found.map(({ dst_urn, verdict }) => [dst_urn, verdict])).toEqual([
      [shop('steady'), 'worse'],
      [shop('swings'), 'same'],
    ])
  })

  it('narrows', () =>
    expectNarrows(
      compareCalls(scope, windows),
      (eb) => eb('candidate_calls', '>', 100),
      ({ candidate_calls }) => candidate_calls > 100,
    ))

  it.each([
    [{ candidate: during('10:10', '10:40') }, 'candidate: must not overlap the baseline'],
    [{ percentile: 1 }, 'percentile'],
    [{ alpha: 0 }, 'alpha'],
    [{ minRatio: 0.5 }, 'minRatio'],
    [{ to: '' }, 'to'],
  ])('refuses %o', (options, message) => {
    expect(() => compareCalls(scope, { ...windows, ...options })).toThrow(message)
  })
})
