import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { callShapeOddities } from '../../../src/incident/callShapeOddities.ts'
import { metricOddities } from '../../../src/incident/metricOddities.ts'
import { patternOddities } from '../../../src/incident/patternOddities.ts'
import { rankSuspects } from '../../../src/incident/rankSuspects.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertMetrics, insertPatternCounts, insertPatterns, services, type CallRow } from '../../support/rows.ts'

const client = 'urn:external:client'
const [frontend, checkout, payment, audit] = ['frontend', 'checkout', 'payment', 'audit'].map((name) => `urn:k8s:svc:shop/${name}`) as [
  string,
  string,
  string,
  string,
]
const windows = { baseline: during('10:00', '10:30'), range: during('10:30', '10:45') }
/** The buckets of the baseline, then those of the range. */
const buckets = Array.from({ length: 9 }, (_, n) => at(`10:${String(5 * n).padStart(2, '0')}`))

/** So many calls in each bucket of the baseline, and in each of the range. */
const calls = (src: string, dst: string, before: number, now = before, errors = 0): CallRow[] =>
  buckets.flatMap((bucket, n) => {
    const count = n < 6 ? before : now
    return count === 0
      ? []
      : [
          {
            bucket,
            src,
            dst,
            call_count: count,
            latencies: Array.from({ length: count }, (_, call) => 10 + call / 10),
            error_count: n < 6 ? 0 : errors,
          },
        ]
  })

onEveryLeg('what resources do differently', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${made++}`)
  })

  /** What a resource logs in each bucket of the baseline and of the range: an error if its text says so. */
  const logs = async (resource: string, lines: Record<string, readonly [before: number, now: number]>, of = scope) => {
    const ids = await insertPatterns(
      of,
      Object.keys(lines).map((pattern) => ({ pattern, severity: pattern.startsWith('error') ? ('ERROR' as const) : ('INFO' as const) })),
    )
    await insertPatternCounts(
      of,
      Object.entries(lines).flatMap(([pattern, [before, now]], line) =>
        buckets.flatMap((bucket, n) => {
          const count = n < 6 ? before : now
          return count === 0
            ? []
            : [{ bucket, resource, fingerprint_id: ids[line]!, count_total: count, count_error: pattern.startsWith('error') ? count : 0 }]
        }),
      ),
    )
  }
  const oddPatterns = async () =>
    (await patternOddities(scope, windows).execute()).map(({ urn, pattern, measure, expected, actual }) => [
      urn,
      pattern,
      measure,
      expected,
      actual,
    ])
  const suspects = async (of = scope) => (await rankSuspects(of, { service: frontend, ...windows }).execute()).map((row) => row)

  it('judges what is logged by the calls that come in', async () => {
    // Three times the traffic: what is logged for each call is as ever, but for two things.
    await insertCalls(scope, calls(frontend, checkout, 10, 30))
    await logs(checkout, {
      'cart read': [10, 30],
      'order stored': [10, 0],
      'error: no stock': [2, 6],
      'error: no such cart': [0, 20],
      'cart is empty': [1, 30],
    })
    expect(await oddPatterns()).toEqual([
      [checkout, 'order stored', 'count_total', 90, 0],
      [checkout, 'error: no such cart', 'count_error', 0, 60],
    ])
    const [stopped, failing] = await patternOddities(scope, windows).execute()
    expect(stopped!.share).toBeGreaterThan(0.9)
    // Two of three calls, less what may be chance.
    expect(failing!.share).toBeGreaterThan(0.55)
    expect(failing!.share).toBeLessThan(2 / 3)
  })

  it('takes what else is logged for the traffic where no calls are measured', async () => {
    await services(scope, [checkout])
    await logs(checkout, { 'cart read': [10, 30], 'price asked': [20, 60], 'order stored': [10, 0], 'error: no such cart': [0, 20] })
    expect(await oddPatterns()).toEqual([
      [checkout, 'order stored', 'count_total', 90, 0],
      [checkout, 'error: no such cart', 'count_error', 0, 60],
    ])
  })

  it('believes a handful less, and one line not at all', async () => {
    await insertCalls(scope, [...calls(frontend, checkout, 10), ...calls(frontend, payment, 10)])
    await logs(checkout, { 'cart read': [10, 10], 'error: a few': [0, 2] })
    await insertPatternCounts(scope, [
      {
        bucket: buckets[7]!,
        resource: payment,
        fingerprint_id: (await insertPatterns(scope, [{ pattern: 'error: once', severity: 'ERROR' }]))[0]!,
        count_total: 1,
        count_error: 1,
      },
    ])
    const odd = await patternOddities(scope, windows).execute()
    expect(odd.map(({ pattern }) => pattern)).toEqual(['error: a few'])
    expect(odd[0]!.share).toBeGreaterThan(0)
    expect(odd[0]!.share).toBeLessThan(0.2)
  })

  it('needs more of what varies for each call anyway', async () => {
    await insertCalls(scope, calls(frontend, checkout, 40))
    const [steady, erratic] = await insertPatterns(scope, [
      { pattern: 'steady', severity: 'INFO' },
      { pattern: 'erratic', severity: 'INFO' },
    ])
    await insertPatternCounts(
      scope,
      buckets.flatMap((bucket, n) => [
        { bucket, resource: checkout, fingerprint_id: steady!, count_total: n < 6 ? 40 : 20, count_error: 0 },
        { bucket, resource: checkout, fingerprint_id: erratic!, count_total: n < 6 ? [10, 70, 5, 75, 0, 80][n]! : 20, count_error: 0 },
      ]),
    )
    expect((await oddPatterns()).map(([, pattern]) => pattern)).toEqual(['steady'])
  })

  it('counts the calls that go out for each that comes in', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 20, 40),
      ...calls(frontend, checkout, 20, 40),
      ...calls(checkout, payment, 20, 0),
      ...calls(checkout, audit, 0, 40),
    ])
    const odd = await callShapeOddities(scope, windows).execute()
    expect(odd.map(({ src_urn, dst_urn, expected, actual }) => [src_urn, dst_urn, expected, actual])).toEqual([
      [checkout, audit, 0, 120],
      [checkout, payment, 120, 0],
    ])
    await expectNarrows(
      callShapeOddities(scope, windows),
      (eb) => eb('actual', '=', 0),
      ({ actual }) => actual === 0,
    )
    // It returned early: what it no longer calls says so, although no call fails or is slow.
    const [first] = await suspects()
    expect(first).toMatchObject({ urn: checkout, depth: 1, path: [frontend, checkout], measure: 'call_count', expected: 120, actual: 0 })
    expect(first!.evidence).toMatchObject([{ kind: 'shape', measure: 'call_count', dst_urn: payment, src_urn: null, pattern: null }])
  })

  it('suspects the deepest of those that log an error, not who logs it for all', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 20),
      ...calls(frontend, checkout, 20),
      ...calls(checkout, payment, 20),
      ...calls(frontend, audit, 20),
    ])
    await logs(frontend, { 'request served': [20, 20], 'error: dispatcher': [0, 18] })
    await logs(checkout, { 'order placed': [20, 2], 'error: servlet': [0, 18] })
    await logs(payment, { 'card charged': [20, 3], 'error: card refused': [0, 16] })
    await logs(audit, { noted: [20, 20] })
    const [first, ...others] = await suspects()
    expect(first).toMatchObject({ urn: payment, depth: 2, path: [frontend, checkout, payment], measure: 'count_total' })
    expect(first!.evidence).toMatchObject([
      { kind: 'pattern', measure: 'count_total', pattern: 'card charged', expected: 60, actual: 9, lost: 51 },
      { kind: 'pattern', measure: 'count_error', pattern: 'error: card refused', expected: 0, actual: 48, lost: 48 },
    ])
    expect(first!.score).toBeGreaterThan(0.7)
    for (const { score } of others) expect(score).toBeLessThan(0.3)
  })

  it('works on metrics alone, without a call graph', async () => {
    const cpu = (resource: string, before: number, now: number) =>
      insertMetrics(
        scope,
        Array.from({ length: 45 }, (_, n) => ({
          bucket: at(`10:${String(n).padStart(2, '0')}`),
          resource,
          metric: 'container.cpu.usage',
          unit: '{cpu}',
          avg_val: (n < 30 ? before : now) * (1 + 0.05 * Math.sin(n)),
          sample_count: 60,
        })),
      )
    await cpu(frontend, 0.1, 0.14)
    await cpu(checkout, 0.01, 0.98)
    await cpu(payment, 0.5, 0.5)
    const odd = await metricOddities(scope, windows).execute()
    expect(odd.map(({ urn, metric, kind }) => [urn, metric, kind])).toEqual([[checkout, 'container.cpu.usage', 'cpu']])
    expect(odd[0]!.expected).toBeCloseTo(0.01, 2)
    expect(odd[0]!.actual).toBeCloseTo(0.98, 1)
    expect(odd[0]!.share).toBeGreaterThan(0.9)
    expect(await suspects()).toMatchObject([{ urn: checkout, depth: null, path: [checkout], measure: 'container.cpu.usage' }])
  })

  it('works on logs alone, and says nothing of another tenant', async () => {
    await services(scope, [frontend, checkout])
    await logs(checkout, { 'cart read': [10, 10], 'error: no such cart': [0, 10] })
    expect(await suspects()).toMatchObject([{ urn: checkout, depth: null, measure: 'count_error' }])
    const other = await tenant(test.db, `other-${made}`)
    await services(other, [frontend, checkout])
    expect(await suspects(other)).toEqual([])
    for (const odd of [patternOddities(other, windows), callShapeOddities(other, windows), metricOddities(other, windows)])
      expect(await odd.execute()).toEqual([])
  })

  it('is silent where nothing changed', async () => {
    await insertCalls(scope, [...calls(client, frontend, 20, 35), ...calls(frontend, checkout, 20, 35)])
    await logs(checkout, { 'cart read': [20, 35], 'error: as ever': [3, 5] })
    expect(await suspects()).toEqual([])
    expect(await oddPatterns()).toEqual([])
    expect(await callShapeOddities(scope, windows).execute()).toEqual([])
  })

  it('narrowed in SQL gives what filtering in TypeScript gives', async () => {
    await insertCalls(scope, calls(frontend, checkout, 10))
    await logs(checkout, { 'cart read': [10, 0], 'error: one': [0, 10], 'error: two': [0, 5] })
    await expectNarrows(
      patternOddities(scope, windows),
      (eb) => eb('measure', '=', 'count_error'),
      ({ measure }) => measure === 'count_error',
    )
  })
})
