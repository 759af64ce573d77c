import { sql, type Compilable } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callSeries } from '../../../src/calls/callSeries.ts'
import { serviceCall1d, serviceCall1h } from '../../../src/calls/callPolicy.ts'
import { last, type TimeRange } from '../../../src/database/range.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { logPattern1d, logPattern1h } from '../../../src/logs/patternPolicy.ts'
import { patternSeries } from '../../../src/logs/patternSeries.ts'
import { latestMetrics } from '../../../src/metrics/latestMetrics.ts'
import { metric1d, metric1h } from '../../../src/metrics/metricPolicy.ts'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { policiesWith } from '../../../src/operate/policies/policiesWith.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rollBefore } from '../../support/rollBefore.ts'
import { insertCalls, insertMetrics, insertPatternCounts, insertPatterns, nearestRank } from '../../support/rows.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** The histogram's bound, 1.083 %. */
const near = (value: number) => expect.toSatisfy((given: number) => Math.abs(given - value) <= 0.01084 * Math.abs(value))

/** Three days of the past, whole, and some hours of a fourth. */
const start = Date.UTC(2026, 10, 18)
const range: TimeRange = { from: new Date(start), to: new Date(start + 3 * day + 5 * hour + 20 * minute) }
const times = (step: number) =>
  Array.from({ length: Math.ceil((range.to.getTime() - start) / step) }, (_, index) => new Date(start + index * step))
const web = 'urn:svc:web'
const api = 'urn:svc:api'

/** What was measured at a time, a different thing at each. */
const samplesAt = (time: Date, of: number) => {
  const tick = Math.floor(time.getTime() / (5 * minute)) + of * 7
  return Array.from({ length: 1 + (tick % 4) }, (_, sample) => 10 + ((tick * 7919 + sample * 104_729) % 997))
}

/** Buckets of several days are counted from this Monday. */
const origin = Date.UTC(2000, 0, 3)

/** The samples of the buckets of this length that begin in the range, by when they begin. */
function samplesBy(every: number, { from, to }: TimeRange, of: number): Map<number, number[][]> {
  const found = new Map<number, number[][]>()
  for (const time of times(20 * minute)) {
    const bucket = origin + Math.floor((time.getTime() - origin) / every) * every
    if (bucket >= from.getTime() && bucket < to.getTime()) found.set(bucket, [...(found.get(bucket) ?? []), samplesAt(time, of)])
  }
  return found
}

onEveryLeg('a series by any resolution', () => {
  let test: TestDatabase
  let unrolled: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    unrolled = await tenant(test.db)
    const [pattern] = await insertPatterns(unrolled, [{ pattern: 'took <*> ms' }])
    const ticks = times(20 * minute)
    await insertMetrics(
      unrolled,
      ticks.flatMap((bucket) => [web, api].map((resource, of) => ({ bucket, resource, metric: 'load', samples: samplesAt(bucket, of) }))),
    )
    await insertCalls(
      unrolled,
      ticks.map((bucket) => ({
        bucket,
        src: web,
        dst: api,
        latencies: samplesAt(bucket, 0),
        calleeLatencies: samplesAt(bucket, 0).map((sample) => sample / 2),
        error_count: 1,
      })),
    )
    await insertPatternCounts(
      unrolled,
      ticks.map((bucket) => ({ bucket, resource: api, fingerprint_id: pattern!, count_total: samplesAt(bucket, 0)[0]! })),
    )
    const other = await tenant(test.db, 'another')
    await insertMetrics(
      other,
      ticks.map((bucket) => ({ bucket, resource: web, metric: 'load', samples: [1_000_000] })),
    )
  })
  afterAll(() => test.close())

  const rolledTo = (hours: Date, days: Date) => async () => {
    for (const rollup of [metric1h, serviceCall1h, logPattern1h]) await rollBefore(unrolled, rollup, hours)
    for (const rollup of [metric1d, serviceCall1d, logPattern1d]) await rollBefore(unrolled, rollup, days)
    return tenantScope(test.db, 't-001')
  }

  describe.each([
    ['nothing is rolled', async () => unrolled],
    ['hours are rolled up to the second day, days not at all', rolledTo(new Date(start + day + 7 * hour), new Date(start))],
    ['all that is past is rolled', rolledTo(new Date(start + 3 * day + 4 * hour), new Date(start + 3 * day))],
    ['everything is rolled', rolledTo(new Date(start + 4 * day), new Date(start + 4 * day))],
  ])('where %s', (_, prepare) => {
    let scope: Scope
    beforeAll(async () => {
      scope = await prepare()
    })

    const part: TimeRange = { from: new Date(start + 10 * minute), to: new Date(start + 2 * day + 90 * minute) }
    describe.each([
      ['20 minutes', 20 * minute],
      ['1 hour', hour],
      ['3 hours', 3 * hour],
      ['1 day', day],
      ['2 days', 2 * day],
    ])('by %s', (resolution, every) => {
      it.each([
        ['the whole range', range],
        ['a part that cuts buckets', part],
      ])('puts a metric together as its samples are: %s', async (_, within) => {
        const expected = samplesBy(every, within, 0)
        const read = (measure: 'avg' | 'max' | 'p95' | 'count') =>
          metricSeries(scope, { metric: 'load', resource: web, measure, range: within, resolution }).execute()
        const counts = await read('count')
        const buckets = [...expected.keys()].map((time) => new Date(time))
        expect(counts.map(({ series, bucket, value }) => ({ series, bucket, value }))).toEqual(
          buckets.map((bucket) => ({ series: web, bucket, value: expected.get(bucket.getTime())!.flat().length })),
        )
        const all = [...expected.values()].map((parts) => parts.flat())
        const values = async (measure: 'avg' | 'max' | 'p95') => (await read(measure)).map(({ value }) => value)
        expect(await values('max')).toEqual(all.map((samples) => Math.max(...samples)))
        expect(await values('avg')).toEqual(
          all.map((samples) => expect.closeTo(samples.reduce((sum, sample) => sum + sample, 0) / samples.length, 8)),
        )
        expect(await values('p95')).toEqual(all.map((samples) => near(nearestRank(samples, 0.95)!)))
      })

      it('reads each rollup as its view has it', async () => {
        // What a role reads that may not reach where the rows are stored.
        const byName: Scope = { ...scope, rolledUntil: () => null }
        const reads = (by: Scope) => [
          metricSeries(by, { metric: ['load'], measure: 'p95', range: part, resolution }),
          metricSeries(by, { metric: 'load', measure: 'avg', range, resolution, by: 'resource' }),
          metricSeries(by, { metric: 'load', measure: 'count', range: part, resolution, by: 'metric' }),
          callSeries(by, { from: web, to: api, measure: 'rps', range, resolution }),
          callSeries(by, { to: api, measure: 'p95_ms', range: part, resolution }),
          callSeries(by, { to: api, measure: 'p50_ms', side: 'callee', range: part, resolution }),
          callSeries(by, { from: web, measure: 'err_rate', range, resolution, by: 'caller' }),
          patternSeries(by, { measure: 'count_total', range, resolution }),
          patternSeries(by, { measure: 'count_error', range: part, resolution, by: 'resource' }),
        ]
        const [direct, named] = [reads(scope), reads(byName)]
        for (const [at, query] of direct.entries()) {
          const rows = await query.execute()
          expect(rows.length).toBeGreaterThan(0)
          expect(rounded(rows)).toEqual(rounded(await named[at]!.execute()))
        }
      })

      it('counts every call and every record once', async () => {
        const counted = [...samplesBy(every, range, 0).values()].flat()
        const sum = (rows: readonly { value: number | null }[]) => rows.reduce((total, { value }) => total + value!, 0)
        const calls = await callSeries(scope, { measure: 'call_count', range, resolution }).execute()
        expect(sum(calls)).toBe(counted.flat().length)
        const records = await patternSeries(scope, { measure: 'count_total', range, resolution }).execute()
        expect(sum(records)).toBe(counted.reduce((total, samples) => total + samples[0]!, 0))
        const rps = await callSeries(scope, { from: web, to: api, measure: 'rps', range, resolution }).execute()
        expect(rps.map(({ value }) => (value! * every) / 1000)).toEqual(calls.map(({ value }) => expect.closeTo(value!, 6)))
      })
    })
  })
})

/** Rows whose numbers do not show in which order they were added up. */
const rounded = (rows: readonly object[]) =>
  rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? value.toPrecision(12) : value])),
  )

onEveryLeg('a role that may read tables and views, and not what upkeep keeps beside them', () => {
  it('reads the hours as anybody', async () => {
    const test = await freshDatabase()
    const name = `reader_${crypto.randomUUID().replaceAll('-', '')}`
    try {
      const written = await tenant(test.db)
      await insertMetrics(
        written,
        times(hour).map((bucket) => ({ bucket, resource: web, metric: 'load', samples: samplesAt(bucket, 0) })),
      )
      await rollBefore(written, metric1h, new Date(start + day))
      const hours = (scope: Scope) => metricSeries(scope, { metric: 'load', measure: 'max', range, resolution: '1 hour' }).execute()
      const all = await tenantScope(test.db, 't-001')
      expect(all.rolledUntil('metric_1h')).toEqual(all.installation.timeRung === 'community' ? null : new Date(start + day))
      await sql`create role ${sql.id(name)}`.execute(test.db)
      const readable = [
        'pgvantage_installation',
        'pgvantage_migration',
        'dim_tenant',
        'dim_resource',
        'metric_series',
        'metric_1m',
        'metric_1h',
      ]
      await sql`grant select on ${sql.join(readable.map((table) => sql.id(table)))} to ${sql.id(name)}`.execute(test.db)
      const theirs = await test.db.transaction().execute(async (trx) => {
        await sql`set local role ${sql.id(name)}`.execute(trx)
        const scope = await tenantScope(trx, 't-001')
        expect([scope.heldSince('metric_1m'), scope.rolledUntil('metric_1h')]).toEqual([null, null])
        return hours(scope)
      })
      expect(theirs.length).toBeGreaterThan(70)
      expect(theirs).toEqual(await hours(all))
    } finally {
      await sql`drop owned by ${sql.id(name)}`.execute(test.db)
      await sql`drop role ${sql.id(name)}`.execute(test.db)
      await test.close()
    }
  })
})

onEveryLeg('a range whose rows are dropped', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
    await tenant(test.db)
  })
  afterAll(() => test.close())
  const tableOf = (scope: Scope, of: TimeRange) =>
    /metric_1[mhd]/.exec(metricSeries(scope, { metric: 'load', measure: 'max', range: of }).compile().sql)![0]

  it('is read from what still has them', async () => {
    const [recent, old] = [last('1 day'), { from: new Date(Date.UTC(2020, 0)), to: new Date(Date.UTC(2020, 0, 2)) }]
    const scope = await tenantScope(test.db, 't-001')
    expect([recent, old].map((of) => tableOf(scope, of))).toEqual(['metric_1m', 'metric_1m'])
    expect(scope.heldSince('metric_1m')).toBeNull()

    // Longer ago than what the policy of the next test drops.
    const before = new Date(Math.floor(Date.now() / day) * day - 300 * day)
    await sql`update pgvantage_time_table set dropped_before = ${before}::timestamptz where name = 'metric_1m'`.execute(test.db)
    await sql`update pgvantage_time_table set rolled_until = ${before}::timestamptz where name = 'metric_1h'`.execute(test.db)
    const dropped = await tenantScope(test.db, 't-001')
    expect(dropped.heldSince('metric_1m')).toEqual(before)
    expect([recent, old].map((of) => tableOf(dropped, of))).toEqual(['metric_1m', 'metric_1h'])
  })

  it('is read from what a job of the server leaves', async () => {
    await sql`
      insert into pgvantage_policy (object, kind, settings, job_id) values ('metric_1m', 'retention', '{"retain": "180 days"}', 1000)
    `.execute(test.db)
    const since = (await tenantScope(test.db, 't-001')).heldSince('metric_1m')!.getTime()
    expect(Math.abs(since - (Date.now() - 180 * day))).toBeLessThan(2 * hour)
    expect((await tenantScope(test.db, 't-001')).heldSince('metric_1h')).toBeNull()
  })
})

onEveryLeg('a read', () => {
  /** Chunks are aligned to 1970; those around now are there on every rung. */
  const week = 7 * day
  const thisWeek = Math.floor(Date.now() / week) * week
  const weekly = (week_: number, hours: number) => new Date(thisWeek + week_ * week + hours * hour)
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    const written = await tenant(test.db)
    await insertMetrics(
      written,
      [-1, 0, 1].flatMap((at) =>
        Array.from({ length: 48 }, (_, step) => ({
          bucket: weekly(at, step * 3),
          resource: api,
          metric: 'load',
          samples: [step, step + 1],
        })),
      ),
    )
    await rollBefore(written, metric1h, weekly(1, 12))
    await sql`analyze`.execute(test.db)
    scope = await tenantScope(test.db, 't-001')
  })
  afterAll(() => test.close())

  /** The chunks or partitions that the query read. TimescaleDB names the empty parent in some plans. */
  async function touched(query: Compilable<unknown>): Promise<string[]> {
    const compiled = query.compile()
    const { rows } = await test.db.executeQuery<{ 'QUERY PLAN': unknown }>({
      ...compiled,
      sql: `explain (analyze, format json) ${compiled.sql}`,
    })
    const found = new Set<string>()
    const visit = (node: Plan) => {
      const name = node['Relation Name']
      if (
        name !== undefined &&
        node['Actual Loops'] > 0 &&
        !/^(?:dim_resource|metric_series|metric_1m$|metric_1h_stored$|_materialized_hypertable|pgvantage_)/.test(name)
      )
        found.add(name)
      for (const inner of node.Plans ?? []) visit(inner)
    }
    const plan = rows[0]!['QUERY PLAN']
    visit((typeof plan === 'string' ? JSON.parse(plan) : plan)[0].Plan)
    return [...found].toSorted()
  }
  interface Plan {
    'Relation Name'?: string
    'Actual Loops': number
    Plans?: Plan[]
  }
  const options = { metric: 'load', resource: api, measure: 'max' } as const

  it('of minutes touches only the chunks of its range', async () => {
    const one = { from: weekly(0, 0), to: weekly(0, 24) }
    const two = { from: weekly(-1, 100), to: weekly(0, 24) }
    for (const [of, chunks] of [
      [one, 1],
      [two, 2],
    ] as const) {
      for (const query of [
        metricSeries(scope, { ...options, range: of, resolution: '1 minute' }),
        metricSeries(scope, { ...options, range: of, resolution: '30 minutes', by: 'metric' }),
      ]) {
        expect(await touched(query)).toHaveLength(chunks)
        expect((await query.execute()).length).toBeGreaterThan(0)
      }
    }
    const latest = await touched(latestMetrics(scope, { ...options, range: one }))
    expect(latest).toHaveLength(1)
  })

  it('of hours touches only the chunks of its range, and no minutes where all is rolled', async () => {
    const rolled = await touched(
      metricSeries(scope, { ...options, range: { from: weekly(0, 0), to: weekly(0, 24) }, resolution: '1 hour' }),
    )
    const minutes = await touched(
      metricSeries(scope, { ...options, range: { from: weekly(-1, 0), to: weekly(1, 166) }, resolution: '1 minute' }),
    )
    expect(minutes).toHaveLength(3)
    expect(rolled.filter((chunk) => !minutes.includes(chunk))).toHaveLength(1)
    expect(rolled.filter((chunk) => minutes.includes(chunk))).toEqual([])
  })

  it('of hours that are not all rolled touches only those minutes that are not', async () => {
    const query = metricSeries(scope, { ...options, range: { from: weekly(0, 0), to: weekly(1, 24) }, resolution: '1 hour' })
    const minutes = await touched(
      metricSeries(scope, { ...options, range: { from: weekly(1, 12), to: weekly(1, 24) }, resolution: '1 minute' }),
    )
    expect(minutes).toHaveLength(1)
    const all = await touched(
      metricSeries(scope, { ...options, range: { from: weekly(-1, 0), to: weekly(1, 166) }, resolution: '1 minute' }),
    )
    expect((await touched(query)).filter((chunk) => all.includes(chunk))).toEqual(minutes)
    expect(await query.execute()).toHaveLength(48 + 8)
  })
})

onEveryLeg('a scope that is older than what has been rolled and dropped since', () => {
  const today = Math.floor(Date.now() / day) * day
  const daysAgo = (days: number) => new Date(today - days * day)
  const policies = policiesWith({ metric_1m: { retain: '15 days', compress: null } })
  let test: TestDatabase
  let kept: Scope
  const write = (days: readonly number[]) =>
    insertMetrics(
      kept,
      days.map((n) => ({ bucket: new Date(daysAgo(n).getTime() + hour), resource: web, metric: 'age', samples: [n] })),
    )
  const read = (scope: Scope, resolution?: string) =>
    metricSeries(scope, { metric: 'age', measure: 'max', resolution, range: { from: daysAgo(31), to: new Date() } }).execute()
  const values = async (scope: Scope, resolution?: string) => (await read(scope, resolution)).map(({ value }) => value)

  beforeAll(async () => {
    test = await freshDatabase()
    kept = await tenant(test.db)
    await write([30, 29])
    await applyPolicies(test.db, { policies, now: daysAgo(27) })
    await maintain(test.db, { policies, now: daysAgo(27) })
    kept = await tenantScope(test.db, 't-001')
    await write([26, 25, 24, 23, 3, 2])
    await maintain(test.db, { policies })
  })
  afterAll(() => test.close())

  it.each(['1 hour', '12 hours', '1 day', '7 days'])('answers like a new one by %s', async (resolution) => {
    const fresh = await tenantScope(test.db, 't-001')
    expect(await values(kept, resolution)).toEqual(await values(fresh, resolution))
    if (resolution === '1 day') expect(await values(kept, resolution)).toEqual([30, 29, 26, 25, 24, 23, 3, 2])
  })

  it('answers like a new one by itself, or says that it cannot', async () => {
    const range = { from: daysAgo(26), to: daysAgo(22) }
    const fresh = await tenantScope(test.db, 't-001')
    const series = (scope: Scope) => metricSeries(scope, { metric: 'age', measure: 'max', range })
    expect((await series(fresh).execute()).map(({ value }) => value)).toEqual([26, 25, 24, 23])
    const answered = await series(kept)
      .execute()
      .then(
        (rows) => rows.map(({ value }) => value),
        (error: Error) => error.message,
      )
    // Where a job of the server drops, the clock tells what may be gone.
    if (leg.name === 'community') expect(answered).toEqual([26, 25, 24, 23])
    else
      expect(answered).toContain(
        `rows from ${daysAgo(26).toISOString()} on have been dropped since this scope was made, make a new one with tenantScope: metric_1m`,
      )
  })

  it('is told when a retention has become shorter since', async () => {
    const before = await tenantScope(test.db, 't-001')
    const range = { from: daysAgo(3), to: new Date() }
    const series = () => metricSeries(before, { metric: 'age', measure: 'max', range }).execute()
    expect((await series()).map(({ value }) => value)).toEqual([3, 2])
    await sql`
      insert into pgvantage_policy (object, kind, settings, job_id) values ('metric_1m', 'retention', '{"retain": "1 day"}', 1000)
      on conflict (object, kind) do update set settings = excluded.settings, job_id = excluded.job_id
    `.execute(test.db)
    await expect(series()).rejects.toThrow('have been dropped since this scope was made')
  })
})
