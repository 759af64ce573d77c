import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import type { MeaningOfMetric } from '../../../src/incident/metricMeanings.ts'
import { metricOddities } from '../../../src/incident/metricOddities.ts'
import { rankSuspects, type RankSuspectsOptions } from '../../../src/incident/rankSuspects.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertMetrics, services, type CallRow, type MetricRow } from '../../support/rows.ts'

const client = 'urn:external:client'
const [frontend, checkout, cart, payment] = ['frontend', 'checkout', 'cart', 'payment'].map((name) => `urn:k8s:svc:shop/${name}`) as [
  string,
  string,
  string,
  string,
]
const database = 'urn:db:postgres:db-1/shop'
const [host, otherHost] = ['urn:host:worker-7', 'urn:host:worker-8']

const windows = { baseline: during('10:00', '10:30'), range: during('10:30', '10:45') }
const duration = 'http.server.request.duration'
const good: MeaningOfMetric = { metric: 'shop.availability', means: 'availability' }

/** A minute of the tests' day, from 10:00 on. */
const minute = (n: number) => at(`10:${String(n).padStart(2, '0')}`)

/** A metric minute by minute: the baseline within 5 % of `normal`, the range within 5 % of `then`. */
const metric = (resource: string, name: string, normal: number, then = normal, given: Partial<MetricRow> = {}): MetricRow[] =>
  Array.from({ length: 45 }, (_, n) => ({
    bucket: minute(n),
    resource,
    metric: name,
    avg_val: (n < 30 ? normal : then) * (1 + 0.05 * Math.sin(7 * n)),
    sample_count: 1,
    ...given,
  }))

/** How long a service's answers took, in milliseconds, of so many requests a minute. */
const answers = (resource: string, normal: number, then = normal, requests = 60) =>
  metric(resource, duration, normal / 1_000, then / 1_000, { unit: 's', kind: 'histogram', sample_count: requests })

/** Calls of 5 minutes each: their latencies within 20 % of `normal`, and in the range of `then`. */
const calls = (src: string, dst: string, normal: number, then = normal, errors = 0): CallRow[] =>
  Array.from({ length: 9 }, (_, n) => ({
    bucket: minute(5 * n),
    src,
    dst,
    latencies: Array.from({ length: 40 }, (_, call) => (n < 6 ? normal : then) * (0.8 + call / 100)),
    error_count: n < 6 ? 0 : errors,
  }))

onEveryLeg('rankSuspects, of metrics and topology', () => {
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

  const depends = async (edges: readonly (readonly [string, string, string?])[], valid = '[2026-01-01,)', of = scope) => {
    const ids = await services(
      of,
      edges.flatMap(([src, dst]) => [src, dst]),
    )
    const rows = edges.map(([src, dst, relation = 'calls']) => ({ src: ids.get(src), dst: ids.get(dst), relation }))
    await sql`
      insert into ${of.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      select ${of.tenantId}::int8, src, dst, relation, ${valid}::tstzrange
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as edge (src int8, dst int8, relation text)
    `.execute(of.db)
  }
  const suspects = (options: Partial<RankSuspectsOptions> = {}) => rankSuspects(scope, { service: frontend, ...windows, ...options })
  const ranked = async (options: Partial<RankSuspectsOptions> = {}) =>
    (await suspects(options).execute()).map(({ urn, score }) => [urn, Math.round(score * 100) / 100])

  const chain = [
    [frontend, checkout],
    [frontend, cart],
    [checkout, payment],
    [payment, database],
  ] as const

  /** Payment takes half a second more; who waits for it does, too. */
  const slowPayment = [
    ...answers(frontend, 120, 620),
    ...answers(checkout, 90, 590),
    ...answers(cart, 10),
    ...answers(payment, 50, 550),
    ...answers(database, 5),
  ]

  it('finds where the time is lost, with the path and the evidence', async () => {
    await depends(chain)
    await insertMetrics(scope, slowPayment)
    const rows = await suspects().execute()
    expect(rows.map(({ urn, depth }) => [urn, depth])).toEqual([
      [payment, 2],
      [checkout, 1],
      [frontend, 0],
    ])
    const [first, ...others] = rows
    expect(first).toMatchObject({ item: payment, measure: duration, src_urn: payment, path: [frontend, checkout, payment] })
    expect(first!.src).toBe(first!.resource_id)
    expect(first!.score).toBeGreaterThan(0.95)
    expect(first!.expected).toBeCloseTo(50, -1)
    expect(first!.actual).toBeCloseTo(550, -2)
    expect(others.every(({ score }) => score < 0.05)).toBe(true)
    expect(first!.evidence).toEqual([
      {
        kind: 'metric',
        measure: duration,
        expected: first!.expected,
        actual: first!.actual,
        unit: 'ms',
        src_urn: null,
        dst_urn: null,
        pattern: null,
        lost: expect.any(Number),
      },
    ])
    // 900 answers in a quarter of an hour, each half a second late.
    expect(first!.evidence[0]!.lost! / (900 * 500)).toBeCloseTo(1, 1)
  })

  it('follows failures by whatever metric says so, and only if it is told what that means', async () => {
    await depends(chain)
    const availability = (resource: string, then: number) =>
      metric(resource, good.metric, 100, 100, { unit: '%' }).map((row, n) => ({ ...row, avg_val: n < 30 ? 100 : then, sample_count: 60 }))
    await insertMetrics(scope, [
      ...availability(frontend, 90),
      ...availability(checkout, 80),
      ...availability(payment, 80),
      ...availability(database, 100),
    ])
    expect(await ranked()).toEqual([])
    const [first, ...others] = await suspects({ meanings: [good] }).execute()
    expect(first).toMatchObject({ urn: payment, measure: good.metric, score: 1, expected: 0, unit: '1' })
    expect(first!.actual).toBeCloseTo(0.2, 9)
    expect(first!.evidence[0]!.lost).toBeCloseTo(180, 6)
    expect(others.map(({ score }) => score)).toEqual([0, 0])
    // The same told as what went wrong, in 0..1.
    await insertMetrics(
      scope,
      metric(database, 'shop.failures', 0).map((row, n) => ({ ...row, avg_val: n < 30 ? 0 : 0.3, sample_count: 60 })),
    )
    const failures = { metric: 'shop.failures', means: 'error_ratio' } as const
    expect((await ranked({ meanings: [good, failures] }))[0]).toEqual([database, 1])
  })

  it('counts the answers whose labels tell of a failure', async () => {
    await depends(chain)
    const labelled = (resource: string, labels: MetricRow['labels'], before: number, now: number) =>
      answers(resource, 50)
        .map((row, n) => ({ ...row, labels, sample_count: n < 30 ? before : now }))
        .filter(({ sample_count }) => sample_count > 0)
    await insertMetrics(scope, [
      ...labelled(payment, {}, 60, 30),
      ...labelled(payment, { 'error.type': 'timeout' }, 0, 30),
      ...labelled(checkout, { 'http.response.status_code': '200' }, 60, 30),
      ...labelled(checkout, { 'http.response.status_code': 503 }, 0, 30),
      ...labelled(frontend, { 'http.response.status_code': 404 }, 60, 60),
    ])
    const rows = await suspects().execute()
    expect(rows.map(({ urn, score }) => [urn, score])).toEqual([
      [payment, 1],
      [checkout, 0],
    ])
    expect(rows[0]!.actual).toBeCloseTo(0.5, 9)
  })

  it('blames a database that several services overload, and not those', async () => {
    await depends([...chain, [cart, database]])
    await insertMetrics(scope, [
      ...answers(frontend, 100, 500),
      ...answers(checkout, 80, 280),
      ...answers(cart, 20, 220),
      ...answers(payment, 60, 260),
      ...answers(database, 5, 105, 240),
      ...metric(database, 'system.cpu.utilization', 0.2, 0.95, { unit: '1', labels: { 'cpu.mode': 'user' } }),
      ...metric(database, 'system.cpu.utilization', 0.8, 0.05, { unit: '1', labels: { 'cpu.mode': 'idle' } }),
    ])
    const rows = await suspects().execute()
    expect(rows[0]).toMatchObject({ urn: database, score: 1, measure: duration })
    expect(rows[0]!.evidence.map(({ measure, lost }) => [measure, lost === null])).toEqual([
      [duration, false],
      ['system.cpu.utilization', true],
    ])
    expect(rows.slice(1).every(({ score }) => score < 0.05)).toBe(true)
  })

  it('takes what callers saw for more than what a service says of itself: the network between them', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 120, 620),
      ...calls(frontend, checkout, 90, 590),
      ...calls(checkout, payment, 50, 550),
      ...calls(payment, database, 5),
    ])
    await insertMetrics(scope, [...answers(checkout, 85, 585), ...answers(payment, 45)])
    const [first] = await suspects().execute()
    expect(first).toMatchObject({ urn: payment, measure: 'p95_ms', src_urn: checkout, path: [frontend, checkout, payment] })
    expect(first!.score).toBeGreaterThan(0.9)
    expect(first!.evidence).toMatchObject([{ kind: 'call', measure: 'p95_ms', src_urn: checkout }])
  })

  it('does not blame those whom a service calls that does not get to run', async () => {
    await insertCalls(scope, [
      ...calls(client, frontend, 120, 720),
      ...calls(frontend, checkout, 90, 690),
      ...calls(checkout, payment, 20, 320),
      ...calls(checkout, cart, 20, 320),
    ])
    // Half of it is lost waiting for either: by calls alone it is theirs.
    const before = await suspects().execute()
    expect(before.slice(0, 2).map(({ urn }) => urn)).toEqual([cart, payment])
    await insertMetrics(scope, [
      ...metric(checkout, 'container.cpu.usage', 0.05, 0.9, { unit: '{cpu}' }),
      ...metric(checkout, 'container.memory.usage', 1e8, 1e8, { unit: 'By' }),
      ...metric(payment, 'container.cpu.usage', 0.02, 0.04, { unit: '{cpu}' }),
    ])
    const [first, ...others] = await suspects().execute()
    expect(first!.urn).toBe(checkout)
    expect(first!.score).toBeGreaterThan(0.9)
    expect(first!.evidence.map(({ measure }) => measure)).toEqual(['p95_ms', 'container.cpu.usage'])
    expect(others.every(({ score }) => score < 0.1)).toBe(true)
    // Memory fills up in who waits: it is no excuse for the others.
    await insertMetrics(scope, metric(frontend, 'container.memory.usage', 1e8, 3e8, { unit: 'By' }))
    expect((await suspects().execute())[0]!.urn).toBe(checkout)
  })

  it('blames the host under several services, and not another host', async () => {
    await depends([...chain, [checkout, host, 'runs_on'], [cart, host, 'runs_on'], [payment, otherHost, 'runs_on']])
    await insertMetrics(scope, [
      ...answers(frontend, 100, 700),
      ...answers(checkout, 60, 360),
      ...answers(cart, 20, 320),
      ...answers(payment, 20),
      ...metric(host, 'system.cpu.load_average.1m', 1, 24),
      ...metric(otherHost, 'system.cpu.load_average.1m', 1, 1),
    ])
    const rows = await suspects().execute()
    expect(rows[0]).toMatchObject({ urn: host, score: 1, depth: 2, measure: 'system.cpu.load_average.1m', src_urn: host })
    expect(rows[0]!.path).toHaveLength(3)
    expect(rows.map(({ urn }) => urn)).not.toContain(otherHost)
    expect(rows.slice(1).every(({ score }) => score < 0.05)).toBe(true)
    // A host that was as busy before is not behind it: then the services are.
    const calm = await tenant(test.db, 'calm-host')
    await depends([...chain, [checkout, host, 'runs_on']], undefined, calm)
    await insertMetrics(calm, [
      ...answers(frontend, 100, 400),
      ...answers(checkout, 60, 360),
      ...metric(host, 'system.cpu.load_average.1m', 24),
    ])
    const [first] = await rankSuspects(calm, { service: frontend, ...windows }).execute()
    expect(first!.urn).toBe(checkout)
  })

  it('adds what a resource does differently itself to what is lost at it', async () => {
    await depends([
      [frontend, checkout],
      [frontend, cart],
    ])
    await insertMetrics(scope, [...answers(frontend, 100, 400), ...answers(checkout, 50, 180), ...answers(cart, 50, 230)])
    const share = async (urn: string) => (await suspects().execute()).find((row) => row.urn === urn)!.score
    expect((await ranked())[0]![0]).toBe(cart)
    const before = await share(checkout)
    await insertMetrics(scope, metric(checkout, 'jvm.memory.used_after_last_gc', 1e8, 9e8, { unit: 'By' }))
    expect((await ranked())[0]![0]).toBe(checkout)
    // Eight ninths of the memory are new, and so many deviations are no chance.
    expect(1 - (1 - (await share(checkout))) / (1 - before)).toBeCloseTo(8 / 9, 1)
  })

  it('weighs failures and waiting against each other, and takes a hint', async () => {
    await depends([
      [frontend, checkout],
      [frontend, cart],
    ])
    const failing = (then: number) =>
      metric(cart, good.metric, 1).map((row, n) => ({ ...row, avg_val: n < 30 ? 1 : then, sample_count: 60 }))
    // Answers of 100 ms take 30 ms longer: three tenths. One request in ten fails: two twentieths.
    await insertMetrics(scope, [...answers(frontend, 100, 130), ...answers(checkout, 50, 80), ...failing(0.9)])
    await insertMetrics(
      scope,
      metric(frontend, good.metric, 1).map((row) => ({ ...row, avg_val: 1, sample_count: 60 })),
    )
    const [first, second] = await suspects({ meanings: [good] }).execute()
    expect([first!.urn, second!.urn]).toEqual([checkout, cart])
    expect(second!.score / first!.score).toBeCloseTo(2 / 3, 1)
    expect((await ranked({ meanings: [good], trouble: 'errors' }))[0]![0]).toBe(cart)
    const [waiting, failed] = await suspects({ meanings: [good], trouble: 'latency' }).execute()
    expect([waiting!.urn, failed!.urn]).toEqual([checkout, cart])
    expect(failed!.score).toBeCloseTo(0.5, 6)
  })

  it('does not let a failing new dependency excuse who began to call it', async () => {
    const invalid = 'urn:db:dynamodb:invalid'
    await insertCalls(scope, [
      ...calls(client, frontend, 100, 100, 20),
      ...calls(frontend, checkout, 50, 50, 20),
      ...calls(checkout, invalid, 5, 5, 20).slice(6),
    ])
    expect(await ranked()).toEqual([
      [checkout, 1],
      [invalid, expect.closeTo(0.5, 1)],
      [frontend, 0],
    ])
  })

  it('follows what nobody measured, and no call that is as ever', async () => {
    await depends([
      [frontend, checkout],
      [checkout, payment, 'depends_on'],
      [frontend, cart],
      [cart, database],
    ])
    await insertCalls(scope, calls(frontend, cart, 10))
    const failing = metric(database, 'shop.failures', 0).map((row, n) => ({ ...row, avg_val: n < 30 ? 0 : 0.5, sample_count: 60 }))
    await insertMetrics(scope, [...answers(frontend, 100, 300), ...answers(payment, 50, 250), ...answers(database, 5, 500), ...failing])
    const meanings = [{ metric: 'shop.failures', means: 'error_ratio' }] as const
    const rows = await suspects({ meanings }).execute()
    // Cart answers as fast as ever, so the slow database behind it is not why the frontend is slow. Whether 120 calls without a failure are as good as
    // ever is less sure.
    expect(rows.map(({ urn, measure }) => [urn, measure])).toEqual(
      expect.arrayContaining([
        [database, 'shop.failures'],
        [payment, duration],
      ]),
    )
    expect(await ranked()).toEqual([
      [payment, 1],
      [frontend, 0],
    ])
    // Checkout measures nothing: the way leads through it all the same.
    expect(rows.find(({ urn }) => urn === payment)!.path).toEqual([frontend, checkout, payment])
    // Of very many calls it is sure.
    const sure = await tenant(test.db, 'sure')
    await depends([[cart, database]], undefined, sure)
    await insertCalls(
      sure,
      calls(frontend, cart, 10).map((row) => ({ ...row, call_count: 4_000 })),
    )
    await insertMetrics(sure, failing)
    expect(await rankSuspects(sure, { service: frontend, ...windows, meanings }).execute()).toEqual([])
    expect(await ranked({ hops: 1 })).toEqual([[frontend, 1]])
  })

  it('takes the topology of the range, and neither an older nor a later one', async () => {
    await insertMetrics(scope, slowPayment)
    await depends(chain, '[2026-11-22 09:00Z, 2026-11-22 10:30Z)')
    await depends(chain, '[2026-11-22 10:45Z,)')
    // Nothing says who depends on whom: whoever became slower for its kind, and that half as
    // surely.
    const rows = await suspects().execute()
    expect(rows.map(({ urn, depth, path }) => [urn, depth, path])).toEqual([
      [payment, null, [payment]],
      [checkout, null, [checkout]],
      [frontend, 0, [frontend]],
    ])
    expect(rows.every(({ score }) => score < 0.5)).toBe(true)
    await depends(chain, '[2026-11-22 10:44Z, 2026-11-22 10:45Z)')
    expect((await ranked())[0]![0]).toBe(payment)
  })

  it('expects CPU to rise with the requests, as calls or latencies count them', async () => {
    const twice = (rows: CallRow[]) => rows.map((row, n) => (n < 6 ? row : { ...row, call_count: 80 }))
    await insertCalls(scope, [...twice(calls(frontend, checkout, 50)), ...twice(calls(frontend, cart, 50))])
    const cpu = (resource: string, then: number) => metric(resource, 'container.cpu.time', 0.2, then, { unit: 's/s', kind: 'counter' })
    const requests = answers(payment, 50).map((row, n) => ({ ...row, sample_count: n < 30 ? 60 : 120 }))
    await insertMetrics(scope, [...cpu(checkout, 0.4), ...cpu(cart, 0.9), ...requests, ...cpu(payment, 0.4), ...cpu(database, 0.4)])
    const odd = await metricOddities(scope, windows).execute()
    expect(odd.map(({ urn, metric, unit }) => [urn, metric, unit])).toEqual([
      [cart, 'container.cpu.time', '{cpu}'],
      // Nobody counts its requests.
      [database, 'container.cpu.time', '{cpu}'],
    ])
    expect(odd[0]!.expected).toBeCloseTo(0.4, 1)
  })

  it('is silent in calm times, however noisy', async () => {
    await depends(chain)
    let seed = 20_261_122
    const noise = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
    const noisy = (rows: MetricRow[]) => rows.map((row) => ({ ...row, avg_val: row.avg_val! * (0.7 + 0.6 * noise()) }))
    await insertMetrics(
      scope,
      [frontend, checkout, cart, payment, database].flatMap((urn) => [
        ...noisy(answers(urn, 100)),
        ...noisy(metric(urn, 'process.cpu.utilization', 0.3, 0.3, { unit: '1' })),
        ...noisy(metric(urn, 'process.memory.usage', 1e9, 1e9, { unit: 'By' })),
      ]),
    )
    await insertCalls(
      scope,
      chain.flatMap(([src, dst]) => calls(src, dst, 50, 60)),
    )
    expect(await ranked()).toEqual([])
  })

  it('says nothing of what it does not know: too short a past, gaps, values that are none', async () => {
    await depends(chain)
    const some = answers(payment, 50, 550)
    await insertMetrics(scope, [
      ...some.slice(26),
      ...answers(checkout, 90, 90).map((row, n) => ({ ...row, avg_val: n % 3 === 0 ? null : n === 40 ? Number.NaN : row.avg_val })),
      ...answers(cart, 10, 5_000).map((row, n) => ({ ...row, avg_val: n < 30 ? null : row.avg_val })),
      ...answers(database, 5, 500).slice(0, 30),
      ...answers(frontend, 100, 600).map((row) => ({ ...row, sample_count: 0 })),
    ])
    expect(await ranked()).toEqual([])
    // With one bucket more there is a past.
    await insertMetrics(scope, some.slice(25, 26))
    expect((await ranked())[0]![0]).toBe(payment)
  })

  it('bears values without bounds', async () => {
    await depends(chain)
    await insertMetrics(scope, [...slowPayment, ...metric(database, duration, 1e-300, 1e300, { labels: { far: true } })])
    expect((await ranked()).map(([urn]) => urn)).toContain(payment)
    await insertMetrics(scope, metric(cart, 'container.cpu.usage', 0, 0, { unit: '{cpu}' }))
    expect((await ranked()).map(([urn]) => urn)).toContain(payment)
  })

  it('goes round in circles once', async () => {
    await depends([...chain, [payment, frontend], [database, checkout], [payment, payment]])
    await insertMetrics(scope, slowPayment)
    expect((await suspects({ hops: 32 }).execute()).map(({ urn }) => urn).toSorted()).toEqual([checkout, frontend, payment].toSorted())
  })

  it('is narrowed in SQL as it would be in TypeScript, and ranks under topK', async () => {
    await depends(chain)
    await insertMetrics(scope, slowPayment)
    await expectNarrows(
      suspects(),
      (eb) => eb('depth', '>', 0),
      ({ depth }) => depth! > 0,
    )
    await expectNarrows(
      suspects(),
      (eb) => eb('score', '>', 0.5),
      ({ score }) => score > 0.5,
    )
    expect(await topK(scope, suspects(), 1).execute()).toMatchObject([{ item: payment }])
    expect(await suspects().execute()).toEqual(await suspects().execute())
  })

  it('does not see another tenant, who has the same names', async () => {
    await depends(chain)
    await insertMetrics(scope, slowPayment)
    const other = await tenant(test.db, 'other-metrics')
    await insertMetrics(other, [...answers(frontend, 120), ...answers(payment, 50)])
    await depends([[frontend, payment]], undefined, other)
    expect(await rankSuspects(other, { service: frontend, ...windows }).execute()).toEqual([])
  })

  it.each([`'; drop table metric_1m; --`, '"quoted"\\', '$$🦊$$', 'x'.repeat(255)])('takes the metric %j as data', async (name) => {
    await depends([[frontend, checkout]])
    await insertMetrics(scope, metric(checkout, name, 50, 500, { unit: 'ms' }))
    expect(await ranked({ meanings: [{ metric: name, means: 'latency' }] })).toEqual([[checkout, 1]])
  })

  it.each([
    [{ trouble: 'slowness' }, 'trouble: '],
    [{ meanings: [{ metric: '', means: 'latency' }] }, 'meanings[0].metric: must not be empty'],
    [{ meanings: [{ metric: 'a\u0000', means: 'latency' }] }, 'meanings[0].metric: must not contain the NUL'],
    [{ meanings: [{ metric: 'a', means: 'goodness' }] }, 'meanings[0].means: '],
    [{ meanings: [{ metric: 'a', means: 'cpu', weight: 2 }] }, 'meanings[0]: has no key "weight"'],
    [{ thresholds: { deviations: -1 } }, 'thresholds.deviations: '],
    [{ thresholds: { deviations: Number.NaN } }, 'thresholds.deviations: '],
    [{ thresholds: { deviation: 3 } }, 'thresholds: has no key "deviation"'],
  ])('refuses %j by name', (wrong, message) => {
    expect(() => suspects(wrong as Partial<RankSuspectsOptions>)).toThrow(message)
  })
})
