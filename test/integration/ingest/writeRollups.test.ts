import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { ensureResources } from '../../../src/catalog/resources.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { ingest } from '../../../src/ingest/ingest.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import { seriesInOrder } from '../../../src/ingest/writer/metricBatches.ts'
import { writeMetrics } from '../../../src/ingest/writer/writeMetrics.ts'
import { writeRollups } from '../../../src/ingest/writer/writeRollups.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { all, date, gauge, log, logs, metrics, point, requests, spans, sum } from '../../unit/ingest/telemetry.ts'

const hostile = `'; drop table metric_1m; -- $$ "q" \\ 🦊`

/** Fifteen minutes of two services, a database and names that try to be SQL. */
const payloads = Array.from({ length: 15 }, (_, minute) => minute * 60).flatMap((seconds) => [
  logs('a', [log(seconds, `order ${seconds} took 5 ms`, seconds === 360 ? 17 : 9, { user: hostile }), log(seconds + 1, hostile)]),
  logs('b', [log(seconds + 2, `order ${seconds} took 5 ms`)]),
  metrics(
    'a',
    [
      sum('bytes', 'CUMULATIVE', true, [point(seconds, seconds * 2, -60), point(seconds + 30, seconds * 2 + 60, -60)]),
      gauge(hostile, [point(seconds, 1.5, undefined, { [hostile]: hostile, n: 1, yes: true })]),
    ],
    { 'deployment.environment.name': 'test', 'cloud.region': 'eu' },
  ),
  spans('a', [
    { id: `c${seconds}`, kind: 'CLIENT', from: seconds + 2, to: seconds + 2.25 },
    { id: `q${seconds}`, kind: 'CLIENT', from: seconds + 3, to: seconds + 3.5, failed: true, with: { 'db.system.name': 'redis' } },
  ]),
  spans('b', [{ id: `s${seconds}`, parent: `c${seconds}`, kind: 'SERVER', from: seconds + 2.1, to: seconds + 2.2 }]),
])

const text = payloads.map((payload) => `${JSON.stringify(payload)}\n`)
const origin = { objectBucket: 'recordings', objectKey: `it's "k".jsonl` }
async function* source() {
  yield* text
}

/** Everything that was written, by names instead of ids. */
async function everything({ db, id, tenantId }: Scope) {
  const of = async (query: ReturnType<typeof sql>) => (await query.execute(db)).rows
  return {
    resources: await of(
      sql`select urn, type, name, env, region, zone, labels from ${id('dim_resource')} where tenant_id = ${tenantId} order by urn collate "C"`,
    ),
    metrics: await of(sql`
      select m.bucket, r.urn, m.metric, m.labels, m.unit, m.kind, m.avg_val, m.max_val, m.p95_val, m.sample_count, m.histogram
      from ${id('metric_1m')} m join ${id('dim_resource')} r using (tenant_id, resource_id) where m.tenant_id = ${tenantId}
      order by 1, 2, 3, md5(m.labels::text)`),
    calls: await of(sql`
      select c.bucket, s.urn as src, d.urn as dst, c.rps, c.err_rate, c.p50_ms, c.p95_ms, c.call_count, c.error_count, c.histogram, l.dataset, l.object_key
      from ${id('service_call_5m')} c
      join ${id('dim_resource')} s on s.resource_id = c.src_resource_id join ${id('dim_resource')} d on d.resource_id = c.dst_resource_id
      join ${id('oo_locator')} l on l.id = c.sample_ref
      where c.tenant_id = ${tenantId} order by 1, 2, 3`),
    patterns: await of(sql`
      select pattern, sample_message, severity, attrs_schema, first_seen, last_seen from ${id('log_pattern')} where tenant_id = ${tenantId}
      order by pattern collate "C"`),
    counts: await of(sql`
      select n.bucket, r.urn, p.pattern, n.count_total, n.count_error, l.dataset, l.t_from
      from ${id('log_pattern_5m')} n join ${id('dim_resource')} r using (tenant_id, resource_id) join ${id('log_pattern')} p using (tenant_id, fingerprint_id)
      join ${id('oo_locator')} l on l.id = n.sample_ref where n.tenant_id = ${tenantId} order by 1, 2, p.pattern_hash`),
    locators: await of(sql`
      select dataset, bucket, object_key, t_from, t_to, query_hint, attributes from ${id('oo_locator')} where tenant_id = ${tenantId}
      order by 1, 4`),
  }
}

onEveryLeg('writing rollups', () => {
  let test: TestDatabase
  let scope: Scope
  let clean: Awaited<ReturnType<typeof everything>>
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    const reference = await tenant(test.db, 'clean')
    await ingest(reference, source(), { origin })
    clean = await everything(reference)
  })
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${++tenants}`)
  })
  afterAll(() => test.close())

  /** Does work while a constraint refuses rows of a table. */
  async function refusing(table: string, constraint: string, work: () => Promise<void>) {
    await sql`alter table ${scope.id(table)} add constraint refuses ${sql.raw(constraint)} not valid`.execute(test.db)
    try {
      await work()
    } finally {
      await sql`alter table ${scope.id(table)} drop constraint refuses`.execute(test.db)
    }
  }

  it('writes what a person would expect', () => {
    expect(clean.resources).toMatchObject([
      { urn: 'urn:db:redis:default/default', type: 'database' },
      {
        urn: 'urn:k8s:svc:shop/a',
        type: 'service',
        name: 'a',
        env: 'test',
        region: 'eu',
        zone: null,
        labels: { 'service.namespace': 'shop' },
      },
      { urn: 'urn:k8s:svc:shop/b', type: 'service', env: null },
    ])
    expect(clean.calls).toHaveLength(6)
    expect(clean.calls[0]).toMatchObject({
      bucket: date(0),
      rps: 5 / 300,
      err_rate: 1,
      call_count: '5',
      error_count: '5',
      dataset: 'traces',
      object_key: origin.objectKey,
    })
    expect(clean.calls[1]).toMatchObject({ src: 'urn:k8s:svc:shop/a', dst: 'urn:k8s:svc:shop/b', err_rate: 0, p50_ms: 250, p95_ms: 250 })
    expect(clean.metrics).toHaveLength(30)
    expect(clean.metrics.find((row) => Reflect.get(row as object, 'metric') === 'bytes')).toMatchObject({ kind: 'counter', unit: 'By/s' })
    expect(clean.metrics).toContainEqual(
      expect.objectContaining({
        metric: hostile,
        labels: { [hostile]: hostile, n: 1, yes: true },
        avg_val: 1.5,
        sample_count: '1',
        histogram: null,
      }),
    )
    expect(clean.patterns).toMatchObject([
      { sample_message: hostile, severity: 'INFO', first_seen: date(1), last_seen: date(841) },
      {
        pattern: 'order <*> took <*> ms',
        sample_message: 'order 0 took 5 ms',
        severity: 'ERROR',
        first_seen: date(0),
        last_seen: date(842),
        attrs_schema: { user: 'string' },
      },
    ])
    expect(clean.counts).toHaveLength(9)
    expect(clean.counts.reduce((total: number, row) => total + Number(Reflect.get(row as object, 'count_error')), 0)).toBe(1)
    expect(clean.locators).toHaveLength(9)
  })

  it('twice leaves the same rows, and writes none of them again', async () => {
    await ingest(scope, source(), { origin })
    const versions = () =>
      sql`select sum(xmin::text::int8)::text as sum from ${scope.id('metric_1m')} where tenant_id = ${scope.tenantId}
        union all select sum(xmin::text::int8)::text from ${scope.id('service_call_5m')} where tenant_id = ${scope.tenantId}
        union all select sum(xmin::text::int8)::text from ${scope.id('log_pattern')} where tenant_id = ${scope.tenantId}
        union all select sum(xmin::text::int8)::text from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}`
        .execute(scope.db)
        .then(({ rows }) => rows)
    const before = await versions()
    await ingest(scope, source(), { origin })
    expect(await everything(scope)).toEqual(clean)
    expect(await versions()).toEqual(before)
  })

  it('stopped anywhere and run again leaves the rows of one clean run', async () => {
    for (let windows = 1; windows <= 2; windows += 1) {
      const scope = await tenant(test.db, `stopped-${windows}`)
      const controller = new AbortController()
      let seen = 0
      const run = ingest(scope, source(), {
        origin,
        signal: controller.signal,
        onWindow: () => ++seen === windows && controller.abort(new Error('stopped')),
      })
      await expect(run).rejects.toThrow('stopped')
      await ingest(scope, source(), { origin })
      expect(await everything(scope)).toEqual(clean)
    }
  })

  it('writes the whole of a window or nothing', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    // More rows than it takes for a matter of single ones.
    const patterns = Array.from({ length: 51 }, (_, at) => ({ ...window!.patterns[0]!, maskedLine: `line ${'x'.repeat(at)}` }))
    await refusing('log_pattern', `check (pattern not like 'line %')`, async () => {
      await expect(writeRollups(scope, { ...window!, patterns })).rejects.toMatchObject({ code: '23514' })
    })
    expect(Object.values(await everything(scope)).flat()).toEqual([])
    await expect(writeRollups(scope, window!, { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
    expect(Object.values(await everything(scope)).flat()).toEqual([])
  })

  it('joins the transaction its scope was made from', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    await expect(
      scope.db.transaction().execute(async (db) => {
        await writeRollups({ ...scope, db }, window!)
        throw new Error('rolled back')
      }),
    ).rejects.toThrow('rolled back')
    expect(Object.values(await everything(scope)).flat()).toEqual([])
  })

  it('replaces a window by what more records say of it', async () => {
    const [few] = await all(rollUp(requests(payloads.slice(0, 10))))
    const [many] = await all(rollUp(requests(payloads)))
    await writeRollups(scope, few!)
    await writeRollups(scope, many!)
    const { calls, metrics } = await everything(scope)
    expect(calls).toMatchObject([{ call_count: '5' }, { call_count: '5' }])
    expect(metrics).toHaveLength(10)
  })

  it('tells an attribute of two types as mixed, whatever the order of the windows', async () => {
    const told = async () => (await everything(scope)).patterns.map((row) => Reflect.get(row as object, 'attrs_schema'))
    const [text, number, none] = await all(
      rollUp(
        requests([
          logs('a', [log(0, 'hello', 9, { user: 'u' })]),
          logs('a', [log(300, 'hello', 9, { user: 7 })]),
          logs('a', [log(600, 'hello')]),
        ]),
      ),
    )
    for (const [window, type] of [
      [text, 'string'],
      [number, 'mixed'],
      [text, 'mixed'],
      [none, 'mixed'],
      [number, 'mixed'],
    ] as const) {
      await writeRollups(scope, window!)
      expect(await told()).toEqual([{ user: type }])
    }
  })

  it('writes bodies as patterns of what they say, with their severity, and as they were', async () => {
    const bare = (seconds: number, body: string) => ({ ...log(seconds, body), severityNumber: undefined })
    const json = (order: number) => JSON.stringify({ level: 'crit', msg: `order ${order} lost` })
    const trace = (cause: string) => `Failed: x\n\tat a.B.c(B.java:1)\nCaused by: ${cause}: y\n\tat d.E.f(E.java:2)`
    const bodies = [json(5), json(6), trace('Deadlock'), trace('Refused')]
    await ingest(
      scope,
      (async function* () {
        yield `${JSON.stringify(
          logs(
            'a',
            bodies.map((body, n) => bare(n, body)),
          ),
        )}\n`
      })(),
    )
    const { patterns, counts } = await everything(scope)
    expect(patterns).toMatchObject([
      { pattern: 'Failed: x at a.B.c Caused by: Deadlock: y at d.E.f', sample_message: trace('Deadlock'), severity: null },
      { pattern: 'Failed: x at a.B.c Caused by: Refused: y at d.E.f', sample_message: trace('Refused'), severity: null },
      { pattern: 'order <*> lost', sample_message: json(5), severity: 'FATAL' },
    ])
    expect(counts).toHaveLength(3)
    expect(counts).toContainEqual(expect.objectContaining({ pattern: 'order <*> lost', count_total: '2', count_error: '2' }))
  })

  it('says which rows were there already', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    const rows = { metrics: 10, calls: 2, patterns: 3, sketches: 0 }
    const none = { metrics: 0, calls: 0, patterns: 0, sketches: 0 }
    expect(await writeRollups(scope, window!)).toMatchObject({ written: rows, unchanged: none })
    expect(await writeRollups(scope, window!)).toMatchObject({ written: none, unchanged: rows })
    const [first, ...others] = window!.metrics
    const corrected = { ...window!, metrics: [{ ...first!, avg: 4711 }, ...others] }
    expect(await writeRollups(scope, corrected)).toMatchObject({ written: { ...none, metrics: 1 }, unchanged: { ...rows, metrics: 9 } })
  })

  it('takes numbers that JSON does not have as null, and rows in any order', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    const { metrics } = window!
    const odd = { ...metrics[0]!, metric: 'odd', avg: Number.NaN, max: Number.POSITIVE_INFINITY, p95: -0, sampleCount: 2 ** 64 }
    await writeRollups(scope, { ...window!, metrics: [odd, ...metrics.toReversed()] })
    const { metrics: written } = await everything(scope)
    expect(written).toHaveLength(11)
    expect(written).toContainEqual(
      expect.objectContaining({ metric: 'odd', avg_val: null, max_val: null, p95_val: 0, sample_count: '9223372036854775000' }),
    )
  })

  it.runIf(leg.concurrent)('replaces rows that another writer has inserted meanwhile', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    const { promise: inserted, resolve } = Promise.withResolvers<void>()
    const { promise: end, resolve: commit } = Promise.withResolvers<void>()
    const ids = await ensureResources(scope, window!.resources)
    const other = scope.db.transaction().execute(async (db) => {
      await writeMetrics({ ...scope, db }, seriesInOrder(window!.metrics.map((row) => ({ ...row, avg: 4711 }))), ids)
      resolve()
      await end
    })
    await inserted
    const writing = writeRollups(scope, window!)
    await new Promise((done) => setTimeout(done, 200))
    commit()
    await other
    expect(await writing).toMatchObject({ written: { metrics: 10 }, unchanged: { metrics: 0 } })
    const { metrics } = await everything(scope)
    expect(metrics).toHaveLength(10)
    expect(metrics).not.toContainEqual(expect.objectContaining({ avg_val: 4711 }))
  })

  it('leaves other tenants alone', async () => {
    await ingest(scope, source(), { origin })
    expect(await everything(await tenant(test.db, 'clean'))).toEqual(clean)
  })

  it.runIf(leg.concurrent)('by several writers at once ends in the same rows, without deadlocks', async () => {
    await Promise.all(Array.from({ length: 6 }, () => ingest(scope, source(), { origin })))
    expect(await everything(scope)).toEqual(clean)
  })

  it.runIf(leg.concurrent)('of different windows do not wait for each other where all is known', async () => {
    const windows = await all(rollUp(requests(payloads)))
    for (const window of windows) await writeRollups(scope, window)
    const [one, other] = windows.map((window) => ({
      ...window,
      metrics: window.metrics.map((row) => ({ ...row, avg: 4711 })),
      calls: window.calls.map((row) => ({ ...row, p50Ms: 4711 })),
      patterns: [],
    }))
    const { promise: written, resolve } = Promise.withResolvers<void>()
    const { promise: end, resolve: commit } = Promise.withResolvers<void>()
    const first = scope.db.transaction().execute(async (db) => {
      await writeRollups({ ...scope, db }, one!)
      resolve()
      await end
    })
    await written
    const impatient = connect({ connectionString: test.url!, options: '-c lock_timeout=1000' })
    try {
      const theirs = await tenantScope(impatient, scope.tenantCode)
      expect(await writeRollups(theirs, other!)).toMatchObject({ written: { metrics: 10, calls: 2 } })
      // A new series waits for its turn only where another transaction adds one too.
      const added = { ...other!, metrics: [{ ...other!.metrics[0]!, metric: 'new' }] }
      expect(await writeRollups(theirs, added)).toMatchObject({ written: { metrics: 1 } })
      await expect(writeRollups(theirs, one!)).rejects.toMatchObject({ code: '55P03' })
    } finally {
      commit()
      await first
      await impatient.destroy()
    }
  })

  it.runIf(leg.concurrent)('by several writers at once does not deadlock over new series that come in several statements', async () => {
    const [window] = await all(rollUp(requests(payloads)))
    const [row] = window!.metrics
    const write = async (writer: number, day: number) => {
      const bucket = new Date(window!.from.getTime() + 300_000 * writer + 86_400_000 * day)
      const metrics = Array.from({ length: 9_000 }, (_, index) => ({
        ...row!,
        bucket,
        metric: `metric ${String(4_900 * writer + index).padStart(5, '0')}`,
      }))
      const [from, to] = [bucket, new Date(bucket.getTime() + 300_000)]
      const { resources } = window!
      // Each a little behind the one before, whose second statement has series of its first one.
      await new Promise((done) => setTimeout(done, 50 * writer))
      const theirs = { from, to, resources, metrics, calls: [], patterns: [], sketches: [], locators: [] }
      return writeRollups(await tenantScope(test.db, scope.tenantCode), theirs)
    }
    await ensureResources(scope, window!.resources)
    // On the second day all series are known, whose last day moves.
    for (const day of [0, 1]) await Promise.all([0, 1, 2, 3].map((writer) => write(writer, day)))
    const { rows } = await sql`
      select count(*)::int4 as rows, count(distinct series_id)::int4 as series from ${scope.id('metric_1m')} where tenant_id = ${scope.tenantId}::int8
    `.execute(scope.db)
    expect(rows).toEqual([{ rows: 72_000, series: 23_700 }])
  })

  it.runIf(leg.concurrent)('by several writers at once does not depend on the isolation level that is the default', async () => {
    const strict = connect({ connectionString: test.url!, options: '-c default_transaction_isolation=serializable' })
    try {
      const theirs = await tenantScope(strict, scope.tenantCode)
      await Promise.all(Array.from({ length: 6 }, () => ingest(theirs, source(), { origin })))
      expect(await everything(scope)).toEqual(clean)
    } finally {
      await strict.destroy()
    }
  })
})
