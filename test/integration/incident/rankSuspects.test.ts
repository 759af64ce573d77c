import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { callOddities } from '../../../src/incident/callOddities.ts'
import { rankSuspects } from '../../../src/incident/rankSuspects.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls, type CallRow } from '../../support/rows.ts'

const client = 'urn:external:client'
const [frontend, checkout, cart, payment, mail, database] = ['frontend', 'checkout', 'cart', 'payment', 'mail', 'database'].map(
  (name) => `urn:k8s:svc:shop/${name}`,
) as [string, string, string, string, string, string]

const windows = { baseline: during('10:00', '10:30'), range: during('10:30', '10:45') }
const before = ['10:00', '10:05', '10:10', '10:15', '10:20', '10:25']
const now = ['10:30', '10:35', '10:40']

/** A bucket of 40 calls whose latencies spread evenly from 80 % to 120 % of `ms`. */
const bucket = (clock: string, src: string, dst: string, ms: number, error_count = 0, calls = 40): CallRow => ({
  bucket: at(clock),
  src,
  dst,
  latencies: Array.from({ length: calls }, (_, n) => ms * (0.8 + (0.4 * n) / Math.max(1, calls - 1))),
  error_count,
})

/** Calls that were always `normal` and then, if said, turn into something else. */
const calls = (src: string, dst: string, normal: number, then: { ms?: number; errors?: number; calls?: number } = {}): CallRow[] => [
  ...before.map((clock) => bucket(clock, src, dst, normal)),
  ...now.map((clock) => bucket(clock, src, dst, then.ms ?? normal, then.errors ?? 0, then.calls)),
]

/** Payment lost half a second a call; checkout and frontend wait for it. The database is as ever, cart and mail have nothing to do with it. */
const slowPayment = [
  ...calls(client, frontend, 120, { ms: 620 }),
  ...calls(frontend, checkout, 90, { ms: 590 }),
  ...calls(frontend, cart, 10),
  ...calls(checkout, cart, 10),
  ...calls(checkout, payment, 50, { ms: 550 }),
  ...calls(checkout, mail, 20),
  ...calls(payment, database, 5),
]

onEveryLeg('rankSuspects and callOddities', () => {
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

  const suspects = (service = frontend, options = {}) => rankSuspects(scope, { service, ...windows, ...options })
  const ranked = async (service = frontend, options = {}) => (await suspects(service, options).execute()).map(({ urn }) => urn)

  it('puts the service where the time is lost first, and those that wait for it after it', async () => {
    await insertCalls(scope, slowPayment)
    const rows = await suspects().execute()
    expect(rows.map(({ urn, depth }) => [urn, depth])).toEqual([
      [payment, 2],
      [checkout, 1],
      [frontend, 0],
    ])
    const [first, second, third] = rows
    expect(first).toMatchObject({ item: payment, measure: 'p95_ms', src_urn: checkout, path: [frontend, checkout, payment] })
    expect(first!.score).toBeGreaterThan(0.9)
    expect(first!.expected / 59).toBeCloseTo(1, 1)
    expect(first!.actual / 649).toBeCloseTo(1, 1)
    expect(second!.score).toBeLessThan(0.1)
    expect(third!.score).toBeLessThan(0.1)
    expect(third).toMatchObject({ src_urn: client, path: [frontend] })
  })

  it('looks for trouble in the bucket in which the range begins, and takes nothing of it for what was before', async () => {
    await insertCalls(scope, slowPayment)
    const whole = await suspects().execute()
    const begun = { range: during('10:32', '10:45'), baseline: during('10:00', '10:32') }
    expect(await rankSuspects(scope, { service: frontend, ...begun }).execute()).toEqual(whole)
    const odd = await callOddities(scope, windows).execute()
    expect(await callOddities(scope, begun).execute()).toEqual(odd)
    // The baseline may also come after the range.
    const later = { range: during('10:02', '10:30'), baseline: during('10:30', '10:45') }
    expect(await callOddities(scope, later).execute()).toEqual([])
  })

  it('finds the same from any service that suffers, and nothing from one that does not', async () => {
    await insertCalls(scope, slowPayment)
    expect((await ranked(checkout))[0]).toBe(payment)
    expect(await ranked(payment)).toEqual([payment])
    expect(await ranked(cart)).toEqual([])
    expect(await ranked(client)).toEqual([payment, checkout, frontend])
  })

  it('blames a database that became slow, not those who query it', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 100, { ms: 400 }),
      ...calls(frontend, checkout, 80, { ms: 380 }),
      ...calls(checkout, database, 5, { ms: 305 }),
    ])
    expect((await ranked())[0]).toBe(database)
  })

  it('follows errors as it follows latency', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 100, { errors: 8 }),
      ...calls(frontend, checkout, 80, { errors: 16 }),
      ...calls(checkout, payment, 50, { errors: 16 }),
      ...calls(payment, database, 5),
    ])
    const [first, ...others] = await suspects().execute()
    expect(first).toMatchObject({
      urn: payment,
      measure: 'err_rate',
      expected: 0,
      actual: 0.4,
      score: 1,
      path: [frontend, checkout, payment],
    })
    expect(others.map(({ score }) => score)).toEqual([0, 0])
  })

  it('counts a dependency as often as it is called for one answer', async () => {
    // Ten slow queries for each call explain a rise ten times as large.
    await insertCalls(scope, [
      ...calls(client, frontend, 100, { ms: 1100, calls: 20 }),
      ...calls(frontend, database, 10, { ms: 110, calls: 200 }),
    ])
    const rows = await suspects().execute()
    expect(rows.map(({ urn }) => urn)).toEqual([database, frontend])
    expect(rows[1]!.score).toBeLessThan(0.1)
  })

  it('is silent in calm times', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 120),
      ...calls(frontend, checkout, 90, { ms: 110 }),
      ...calls(checkout, payment, 50, { errors: 1 }),
    ])
    expect(await ranked()).toEqual([])
    expect(await callOddities(scope, windows).execute()).toEqual([])
  })

  it('does not take chance for a rise', async () => {
    // Two of twelve calls failed and one was slow: both may happen on a good day.
    await insertCalls(scope, [
      ...calls(client, frontend, 100),
      ...before.map((clock) => bucket(clock, frontend, checkout, 50, 2)),
      { bucket: at('10:30'), src: frontend, dst: checkout, latencies: [...Array<number>(11).fill(50), 5000], error_count: 2 },
    ])
    expect(await callOddities(scope, windows).execute()).toEqual([])
    // However little is asked for, what did not rise is not odd.
    const keen = { ...windows, thresholds: { errorFactor: 1, errorRise: 0, minCalls: 1 } }
    await insertCalls(scope, [bucket('10:35', frontend, checkout, 50, 30)])
    expect((await callOddities(scope, keen).execute()).map(({ measure }) => measure)).toEqual(['err_rate'])
  })

  it('says of a new dependency that it fails, not that it is slow', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 100),
      ...now.map((clock) => bucket(clock, frontend, mail, 3000)),
      ...now.map((clock) => bucket(clock, frontend, cart, 10, 20)),
    ])
    expect((await callOddities(scope, windows).execute()).map(({ dst_urn, measure }) => [dst_urn, measure])).toEqual([[cart, 'err_rate']])
  })

  it('judges by every call of the window, also those recorded one a bucket', async () => {
    const single = (clock: string, ms: number): CallRow => ({ bucket: at(clock), src: frontend, dst: cart, latencies: [ms] })
    const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `10:${String(from + n).padStart(2, '0')}`)
    await insertCalls(scope, [...minutes(0, 30).map((clock) => single(clock, 20)), ...minutes(30, 45).map((clock) => single(clock, 400))])
    expect(await callOddities(scope, windows).execute()).toMatchObject([{ dst_urn: cart, measure: 'p95_ms', call_count: 15 }])
  })

  it('has an end where calls go in circles, and on a call of itself', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 100, { ms: 700 }),
      ...calls(frontend, checkout, 80, { ms: 680 }),
      ...calls(checkout, frontend, 20, { ms: 300 }),
      ...calls(checkout, checkout, 10, { ms: 200 }),
      ...calls(checkout, payment, 50, { ms: 650 }),
    ])
    const rows = await suspects().execute()
    expect(rows[0]).toMatchObject({ urn: payment, depth: 2, path: [frontend, checkout, payment] })
    expect(rows.map(({ urn }) => urn).sort()).toEqual([checkout, frontend, payment].sort())
  })

  it('does not count paths: twelve services that all call each other', async () => {
    const all = Array.from({ length: 12 }, (_, n) => `urn:k8s:svc:mesh/${n}`)
    await insertCalls(
      scope,
      all.flatMap((src) => all.filter((dst) => dst !== src).flatMap((dst) => calls(src, dst, 10, { ms: 200 }))),
    )
    const started = performance.now()
    expect(await suspects(all[0], { hops: 32 }).execute()).toHaveLength(12)
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('looks as deep as it is told to', async () => {
    await insertCalls(scope, slowPayment)
    expect(await ranked(frontend, { hops: 1 })).toEqual([checkout, frontend])
  })

  it('takes the windows half-open', async () => {
    await insertCalls(scope, slowPayment)
    expect(await ranked(frontend, { range: during('10:25', '10:30'), baseline: during('10:00', '10:25') })).toEqual([])
    expect(await ranked(frontend, { range: during('10:45', '11:00') })).toEqual([])
    expect(await ranked(frontend, { range: { from: at('10:40'), to: at('10:40') } })).toEqual([])
    expect(await ranked(frontend, { range: { from: at('10:41'), to: at('10:41') } })).toEqual([])
  })

  it('is narrowed in SQL as it would be in TypeScript, and ranks under topK', async () => {
    await insertCalls(scope, slowPayment)
    const all = await suspects().execute()
    expect(await suspects().where('depth', '>', 0).execute()).toEqual(all.filter(({ depth }) => depth! > 0))
    expect(await topK(scope, suspects(), 1).execute()).toMatchObject([{ item: payment }])
    const odd = await callOddities(scope, windows).execute()
    expect(odd.map(({ dst_urn }) => dst_urn).sort()).toEqual([checkout, frontend, payment].sort())
    expect(await callOddities(scope, windows).where('dst_urn', '=', payment).execute()).toEqual(
      odd.filter(({ dst_urn }) => dst_urn === payment),
    )
  })

  it('does not see another tenant', async () => {
    await insertCalls(scope, slowPayment)
    const other = await tenant(test.db, 'other')
    await insertCalls(other, calls(client, frontend, 120))
    expect(await rankSuspects(other, { service: frontend, ...windows }).execute()).toEqual([])
    expect(await callOddities(other, windows).execute()).toEqual([])
  })

  it.each([`urn:'; drop table dim_resource; --`, 'urn:"quoted"\\', 'urn:$$🦊$$', `urn:${'x'.repeat(1020)}`])(
    'takes the URN %j as data',
    async (hostile) => {
      await insertCalls(scope, [...calls(client, hostile, 50, { ms: 500 }), ...calls(hostile, database, 5, { ms: 455 })])
      expect(await suspects(hostile).execute()).toMatchObject([{ urn: database, path: [hostile, database] }, { urn: hostile }])
    },
  )

  it('keeps a suspect to which failures lead over a resource that slow calls reach sooner', async () => {
    const failing = [
      ...calls(client, frontend, 10, { errors: 12 }),
      ...calls(frontend, checkout, 10, { errors: 12 }),
      // Too few calls to be sure that they fail no more than ever: only failures are followed here.
      ...calls(checkout, cart, 10),
      ...calls(cart, payment, 10),
      ...calls(payment, database, 10, { errors: 24 }),
      // Enough of them to be sure, but a moment of slowness: only latency is followed here.
      ...before.map((clock) => bucket(clock, frontend, cart, 10, 0, 400)),
      bucket('10:30', frontend, cart, 100, 0, 10),
      bucket('10:35', frontend, cart, 10, 0, 400),
      bucket('10:40', frontend, cart, 10, 0, 400),
    ]
    await insertCalls(scope, failing)
    const [first] = await suspects().execute()
    expect(first).toMatchObject({ urn: database, depth: 4, path: [frontend, checkout, cart, payment, database] })
  })

  it.each([
    [{ service: '' }, 'service: must not be empty'],
    [{ service: 'a\u0000' }, 'service: must not contain the NUL'],
    [{ hops: 0 }, 'hops: '],
    [{ hops: 1.5 }, 'hops: '],
    [{ range: during('10:20', '10:40') }, 'baseline: must not overlap the range'],
    [{ range: { from: at('10:40'), to: at('10:30') } }, 'range.from: must not be after'],
    [{ baseline: { from: new Date(Number.NaN), to: at('10:30') } }, 'baseline.from: must be a valid Date'],
    [{ thresholds: { latencyFactor: 0.5 } }, 'thresholds.latencyFactor: '],
    [{ thresholds: { errorRise: Number.NaN } }, 'thresholds.errorRise: '],
    [{ thresholds: { minCalls: 0 } }, 'thresholds.minCalls: '],
  ])('refuses %j by name', (wrong, message) => {
    expect(() => rankSuspects(scope, { service: frontend, ...windows, ...wrong })).toThrow(message)
  })

  it.skipIf(leg.name !== 'server')('answers within a second on three hundred kinds of calls between a hundred services', async () => {
    const names = Array.from({ length: 100 }, (_, n) => `urn:k8s:svc:big/${n}`)
    await insertCalls(
      scope,
      names.flatMap((src, n) => [1, 7, 31].flatMap((step) => calls(src, names[(n + step) % 100]!, 20, { ms: step === 7 ? 300 : 20 }))),
    )
    const started = performance.now()
    const rows = await suspects(names[0], { hops: 32 }).execute()
    expect(rows.length).toBeGreaterThan(10)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
