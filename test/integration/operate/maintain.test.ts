import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { maintain, type MaintainOptions } from '../../../src/operate/maintain/maintain.ts'
import { refreshRange } from '../../../src/operate/maintain/refreshRange.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { encodeHistogram, histogramOf } from '../../../src/sketch/exponentialHistogram.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertCalls, insertMetrics, insertPatternCounts, insertPatterns, nearestRank } from '../../support/rows.ts'

/** The hour it is, and the minutes before it. */
const now = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
const hoursAgo = (hours: number, minutes = 0) => new Date(now.getTime() - hours * 3_600_000 + minutes * 60_000)

interface Sampled {
  bucket: Date
  samples: readonly number[]
}

/** Minutes of the hours from `first` to `last` hours ago, of one to five samples each. */
function minutes(first: number, last: number): Sampled[] {
  const rows: Sampled[] = []
  for (let hour = first; hour >= last; hour--) {
    for (const minute of [0, 7, 31, 59]) {
      const count = 1 + ((hour + minute) % 5)
      rows.push({
        bucket: hoursAgo(hour, minute),
        samples: Array.from({ length: count }, (_, at) => 3 + ((hour * 37 + minute * 11 + at * 101) % 400)),
      })
    }
  }
  return rows
}

/** The histogram of these values, as it is stored. */
const histogram = (...values: number[]) => encodeHistogram(histogramOf(values)!).toString('hex')

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

/** What the rollup says of an hour, by all its samples. */
function hourOf(rows: readonly Sampled[], hour: Date) {
  const samples = rows
    .filter(({ bucket }) => bucket >= hour && bucket.getTime() < hour.getTime() + 3_600_000)
    .flatMap(({ samples }) => samples)
  return {
    bucket: hour,
    avg: total(samples) / samples.length,
    max: Math.max(...samples),
    p95: nearestRank(samples, 0.95)!,
    count: samples.length,
  }
}

const measured = async (scope: Scope, table: 'metric_1h' | 'metric_1d' = 'metric_1h') => {
  const { rows } = await sql<{ bucket: Date; avg: number; max: number; p95: number; count: number }>`
    select bucket, avg_val as avg, max_val as max, p95_val as p95, sample_count::float8 as count
    from ${scope.id(table)} where tenant_id = ${scope.tenantId}::int8 order by bucket
  `.execute(scope.db)
  return rows
}

/** Counts and maxima exactly, averages but for rounding, percentiles within what the histogram promises. */
function expectHours(actual: Awaited<ReturnType<typeof measured>>, rows: readonly Sampled[]) {
  const hours = [...new Set(rows.map(({ bucket }) => Math.floor(bucket.getTime() / 3_600_000)))].sort((a, b) => a - b)
  expect(actual.map(({ bucket }) => bucket.getTime() / 3_600_000)).toEqual(hours)
  for (const [at, hour] of hours.entries()) {
    const wanted = hourOf(rows, new Date(hour * 3_600_000))
    expect(actual[at]).toMatchObject({ max: wanted.max, count: wanted.count })
    expect(Math.abs(actual[at]!.avg - wanted.avg)).toBeLessThan(1e-9 * wanted.avg)
    expect(Math.abs(actual[at]!.p95 - wanted.p95)).toBeLessThanOrEqual(0.01083 * wanted.p95)
  }
}

const write = (scope: Scope, rows: readonly Sampled[]) =>
  insertMetrics(
    scope,
    rows.map((row) => ({ ...row, resource: 'urn:svc:a', metric: 'latency' })),
  )

const kinds = ({ steps }: Awaited<ReturnType<typeof maintain>>) => steps.map(({ kind, object }) => `${kind} ${object}`)

onEveryLeg('maintain', () => {
  let test: TestDatabase
  let scope: Scope
  beforeEach(async () => {
    test = await cleanDatabase()
    // This build of pgvector breaks when it is first loaded from within a function.
    await sql`select '[1]'::vector`.execute(test.db)
    scope = await tenant(test.db)
  })
  afterEach(() => test.close())
  const run = (options: MaintainOptions = {}) => maintain(test.db, { now, ...options })

  it('rolls what has settled, changes what late data changes and not before, and then has nothing to do', async () => {
    let rows = minutes(30, 0)
    await write(scope, rows)
    expectHours(await measured(scope), rows)
    const first = await run()
    expect(kinds(first)).toEqual(
      expect.arrayContaining(leg.name === 'community' ? ['refresh metric_1h', 'refresh metric_1d'] : ['roll metric_1h']),
    )
    expect(first).toMatchObject({ tooLate: [], notDone: [] })
    expectHours(await measured(scope), rows)
    expect(await run()).toEqual({ steps: [], tooLate: [], notDone: [] })

    const rolled = await measured(scope)
    const late: Sampled[] = [{ bucket: hoursAgo(9, 12), samples: [4_000, 5_000] }]
    const changed: Sampled = { bucket: hoursAgo(7, 31), samples: [9_000] }
    await write(scope, late)
    await sql`
      update ${scope.id('metric_1m')} set avg_val = 9000, max_val = 9000, p95_val = 9000, sample_count = 1, histogram = null where bucket = ${changed.bucket}
    `.execute(test.db)
    await sql`delete from ${scope.id('metric_1m')} where bucket >= ${hoursAgo(5)} and bucket < ${hoursAgo(4)}`.execute(test.db)
    // One that has not settled: it is read from the minutes, so it is there at once.
    const fresh: Sampled[] = [{ bucket: hoursAgo(0, 45), samples: [7_777] }]
    await write(scope, fresh)
    expect((await measured(scope)).slice(0, -1)).toEqual(rolled.slice(0, -1))
    expect((await measured(scope)).at(-1)).toMatchObject({ max: 7_777 })

    rows = [
      ...rows.filter(({ bucket }) => bucket.getTime() !== changed.bucket.getTime() && !(bucket >= hoursAgo(5) && bucket < hoursAgo(4))),
      ...late,
      changed,
      ...fresh,
    ]
    await run()
    const after = await measured(scope)
    expectHours(after, rows)
    const touched = new Set([hoursAgo(9), hoursAgo(7), hoursAgo(0)].map((hour) => hour.getTime()))
    const untouched = (hours: typeof after) =>
      hours.filter(({ bucket }) => !touched.has(bucket.getTime()) && bucket.getTime() !== hoursAgo(5).getTime())
    expect(untouched(after)).toEqual(untouched(rolled))
    expect((await run()).steps).toEqual([])
  })

  it('gives the same rows of all rollups on every server', async () => {
    // A fixed day, so that what is expected can be written down; well in the past of any test run.
    const day = new Date('2026-11-20T00:00:00Z')
    const at = (minute: number) => new Date(day.getTime() + minute * 60_000)
    const later = new Date('2026-11-23T06:00:00Z')
    await insertMetrics(scope, [
      { bucket: at(0), resource: 'urn:svc:a', metric: 'm', samples: [1, 2, 3], unit: 'ms' },
      { bucket: at(59), resource: 'urn:svc:a', metric: 'm', samples: [10] },
      { bucket: at(60), resource: 'urn:svc:a', metric: 'm', samples: [4, 4] },
      { bucket: at(61), resource: 'urn:svc:a', metric: 'm', sample_count: 7, avg_val: null, max_val: 5, p95_val: null },
    ])
    await insertCalls(scope, [
      { bucket: at(5), src: 'urn:svc:a', dst: 'urn:svc:b', latencies: [10, 20, 30], error_count: 1 },
      { bucket: at(10), src: 'urn:svc:a', dst: 'urn:svc:b', latencies: [40] },
      { bucket: at(65), src: 'urn:svc:a', dst: 'urn:svc:b', latencies: [100, 200] },
    ])
    const [fingerprint] = await insertPatterns(scope, [{ pattern: 'p <*>' }])
    await insertPatternCounts(scope, [
      { bucket: at(0), resource: 'urn:svc:a', fingerprint_id: fingerprint!, count_total: 3, count_error: 1 },
      { bucket: at(55), resource: 'urn:svc:a', fingerprint_id: fingerprint!, count_total: 4 },
      { bucket: at(60), resource: 'urn:svc:a', fingerprint_id: fingerprint!, count_total: 5, count_error: 5 },
    ])
    const read = async (columns: string, table: string) => {
      const { rows } = await sql`select ${sql.raw(columns)} from ${scope.id(table)} order by bucket`.execute(test.db)
      return rows
    }
    const metrics = (table: string) =>
      read(
        "bucket, avg_val, max_val, round(p95_val::numeric, 6)::float8 as p95_val, unit, kind, sample_count, avg_weight, encode(histogram, 'hex') as histogram",
        table,
      )
    const calls = (table: string) =>
      read(
        "bucket, round(rps::numeric, 9)::float8 as rps, round(err_rate::numeric, 9)::float8 as err_rate, round(p50_ms::numeric, 6)::float8 as p50_ms, round(p95_ms::numeric, 6)::float8 as p95_ms, call_count, error_count, encode(histogram, 'hex') as histogram",
        table,
      )
    const patterns = (table: string) => read('bucket, count_total, count_error', table)
    const everything = async () => ({
      metric_1h: await metrics('metric_1h'),
      metric_1d: await metrics('metric_1d'),
      service_call_1h: await calls('service_call_1h'),
      service_call_1d: await calls('service_call_1d'),
      log_pattern_1h: await patterns('log_pattern_1h'),
      log_pattern_1d: await patterns('log_pattern_1d'),
    })
    const before = await everything()
    expect((await run({ now: later })).tooLate).toEqual([])
    const after = await everything()
    expect(after).toEqual(before)
    const common = { unit: null, kind: 'gauge' }
    expect(after).toEqual({
      metric_1h: [
        {
          ...common,
          bucket: at(0),
          avg_val: 4,
          max_val: 10,
          p95_val: 10.042457,
          unit: 'ms',
          sample_count: '4',
          avg_weight: '4',
          histogram: histogram(1, 2, 3, 10),
        },
        // Seven samples whose average nobody knows weigh nothing in it.
        {
          ...common,
          bucket: at(60),
          avg_val: 4,
          max_val: 5,
          p95_val: 3.95668,
          sample_count: '9',
          avg_weight: '2',
          histogram: histogram(4, 4),
        },
      ],
      metric_1d: [
        {
          ...common,
          bucket: day,
          avg_val: 4,
          max_val: 10,
          p95_val: 10.042457,
          unit: 'ms',
          sample_count: '13',
          avg_weight: '6',
          histogram: histogram(1, 2, 3, 4, 4, 10),
        },
      ],
      service_call_1h: [
        {
          bucket: at(0),
          rps: 0.001111111,
          err_rate: 0.25,
          p50_ms: 20.084914,
          p95_ms: 40.169828,
          call_count: '4',
          error_count: '1',
          histogram: histogram(10, 20, 30, 40),
        },
        {
          bucket: at(60),
          rps: 0.000555556,
          err_rate: 0,
          p50_ms: 99.77043,
          p95_ms: 199.54086,
          call_count: '2',
          error_count: '0',
          histogram: histogram(100, 200),
        },
      ],
      service_call_1d: [
        {
          bucket: day,
          rps: 0.000069444,
          err_rate: 0.166666667,
          p50_ms: 30.311438,
          p95_ms: 199.54086,
          call_count: '6',
          error_count: '1',
          histogram: histogram(10, 20, 30, 40, 100, 200),
        },
      ],
      log_pattern_1h: [
        { bucket: at(0), count_total: '7', count_error: '1' },
        { bucket: at(60), count_total: '5', count_error: '5' },
      ],
      log_pattern_1d: [{ bucket: day, count_total: '12', count_error: '6' }],
    })
  })

  it('says what it does as it goes, and stops between two units when told to', async () => {
    await write(scope, [...minutes(100, 98), ...minutes(50, 49), ...minutes(4, 3)])
    const seen: string[] = []
    const controller = new AbortController()
    const stopped = new Error('enough')
    const attempt = run({
      signal: controller.signal,
      onStep: ({ kind, object }) => {
        seen.push(`${kind} ${object}`)
        if (/metric_1h/.test(object)) controller.abort(stopped)
      },
    })
    await expect(attempt).rejects.toBe(stopped)
    expect(seen.at(-1)).toMatch(/metric_1h/)
    const rest = await run()
    expect(kinds(rest).length).toBeGreaterThan(0)
    expectHours(await measured(scope), [...minutes(100, 98), ...minutes(50, 49), ...minutes(4, 3)])
    expect((await run()).steps).toEqual([])
  })

  it('works in a schema of any name, also where transactions are serializable by default', async () => {
    const schema = 'a "b" using c'
    await migrateUp(test.db, { schema, graphPrefix: 'other' })
    const other = { schema, now }
    const own = (name: string) => sql.id(schema, name)
    await sql`
      insert into ${own('dim_tenant')} (tenant_id, code, name) values (7, 't', 't')
    `.execute(test.db)
    await sql`insert into ${own('dim_resource')} (tenant_id, resource_id, urn, type, name) values (7, 9, 'urn:x', 'service', 'x')`.execute(
      test.db,
    )
    const insert = (first: Date, last: Date) =>
      sql`
        insert into ${own('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val)
        select at, 7, 9, 'm', 1, 1, 1 from generate_series(${first}::timestamptz, ${last}::timestamptz, '1 hour') as at
      `.execute(test.db)
    await insert(hoursAgo(24 * 50), hoursAgo(24 * 48))
    await insert(hoursAgo(10), hoursAgo(1))
    await sql`insert into ${own('pgvantage_policy')} (object, kind, settings) values ('event_envelope', 'retention', '{"retain": "10 days"}')`.execute(
      test.db,
    )
    await sql`insert into ${own('event_envelope')} (tenant_id, detected_at, severity, kind) values (7, ${hoursAgo(1_000)}, 'INFO', 'x')`.execute(
      test.db,
    )
    if (leg.name !== 'community') {
      await sql`insert into ${own('pgvantage_policy')} (object, kind, settings) values ('metric_1m', 'retention', '{"retain": "30 days"}')`.execute(
        test.db,
      )
    }
    const { rows: database } = await sql<{ name: string }>`select current_database() as name`.execute(test.db)
    await sql`set default_transaction_isolation = 'serializable'`.execute(test.db)
    await sql`alter database ${sql.id(database[0]!.name)} set default_transaction_isolation = 'serializable'`.execute(test.db)
    const report = await maintain(test.db, other)
    expect(report).toMatchObject({ tooLate: [], notDone: [] })
    expect(kinds(report)).toContain('expire event_envelope')
    const { rows } = await sql<{ hours: number; minutes: number }>`
      select (select count(*)::int4 from ${own('metric_1h')}) as hours, (select count(*)::int4 from ${own('metric_1m')}) as minutes
    `.execute(test.db)
    expect(rows[0]).toEqual({ hours: 59, minutes: leg.name === 'community' ? 59 : 10 })
    expect((await maintain(test.db, other)).steps).toEqual([])
    await refreshRange(test.db, { ...other, table: 'metric_1m', range: { from: hoursAgo(10), to: now } })
    await expect(maintain(test.db, { now })).rejects.toThrow(/several installations/)
  })

  it('refuses a transaction, a moment that is none, and policies that are none', async () => {
    await expect(test.db.transaction().execute((trx) => maintain(trx))).rejects.toThrow(InvalidInputError)
    await expect(maintain(test.db, { now: new Date(Number.NaN) })).rejects.toThrow(/now: must be a valid Date/)
  })

  it('rolls a range again when asked to, on its own, and nothing beside it', async () => {
    const rows = minutes(60, 3)
    await write(scope, rows)
    await run()
    const rolled = await measured(scope)
    const late: Sampled[] = [
      { bucket: hoursAgo(50, 12), samples: [4_000] },
      { bucket: hoursAgo(20, 12), samples: [5_000] },
    ]
    await write(scope, late)
    const done = await refreshRange(test.db, { table: 'metric_1h', range: { from: hoursAgo(51), to: hoursAgo(40) }, now })
    expect(done.map(({ object }) => object)).toEqual(['metric_1h'])
    const after = await measured(scope)
    expect(after.filter(({ bucket }) => bucket.getTime() !== hoursAgo(50).getTime())).toEqual(
      rolled.filter(({ bucket }) => bucket.getTime() !== hoursAgo(50).getTime()),
    )
    expect(after.find(({ bucket }) => bucket.getTime() === hoursAgo(50).getTime())).toMatchObject({ max: 4_000 })
    await refreshRange(test.db, { table: 'metric_1m', range: { from: hoursAgo(100), to: now }, now })
    expectHours(await measured(scope), [...rows, ...late])
    await expect(refreshRange(test.db, { table: 'nothing', range: { from: hoursAgo(1), to: now } })).rejects.toThrow(/table: .*"nothing"/)
    await expect(refreshRange(test.db, { table: 'metric_1h', range: { from: now, to: hoursAgo(1) } })).rejects.toThrow(/range.from/)
  })
})
