import { CompiledQuery, sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { findInstallation } from '../../../src/database/installation/installation.ts'
import { rolledRows } from '../../../src/lifecycle/rollups/rollup.ts'
import { metric1h } from '../../../src/metrics/metricPolicy.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { maintain, type MaintainOptions } from '../../../src/operate/maintain/maintain.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { atEachMoment } from '../../support/moment/atEachMoment.ts'
import { nativeDatabase } from '../../support/rung.ts'
import { services } from '../../support/rows.ts'

const day = 86_400_000
/** The hour that has begun, and the same hour of other days. */
function thisHour() {
  const now = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
  return { now, daysAgo: (days: number) => new Date(now.getTime() - days * day) }
}

const retention = (db: Kysely<{}>, object: string, retain: string) =>
  sql`
    insert into pgvantage_policy (object, kind, settings) values (${object}, 'retention', jsonb_build_object('retain', ${retain}::text))
    on conflict (object, kind) do update set settings = excluded.settings
  `.execute(db)

/** The bounds of a table's partitions, and what its default partition holds. */
async function cut(db: Kysely<{}>, table: string): Promise<{ partitions: string[]; strays: number }> {
  const { rows } = await sql<{ bound: string }>`
    select pg_get_expr(relpartbound, oid) as bound from pg_class join pg_inherits on inhrelid = oid where inhparent = ${table}::text::regclass order by 1
  `.execute(db)
  const { rows: strays } = await sql<{ count: number }>`select count(*)::int4 as count from ${sql.id(`${table}_default`)}`.execute(db)
  return { partitions: rows.map(({ bound }) => bound).filter((bound) => bound !== 'DEFAULT'), strays: strays[0]!.count }
}

/** A row of `metric_1m` every so often, in one statement. */
async function insertEvery(
  scope: Scope,
  { from, to, step, metric = 'm' }: { from: Date; to: Date; step: string; metric?: string },
): Promise<number> {
  const ids = await services(scope, ['urn:svc:a'])
  const { numAffectedRows = 0n } = await sql`
    insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, sample_count)
    select at, ${scope.tenantId}::int8, ${ids.get('urn:svc:a')}::int8, ${metric}, 1, 1, 1, 1
    from generate_series(${from.toISOString()}::timestamptz, ${to.toISOString()}::timestamptz, ${step}::interval) as at
  `.execute(scope.db)
  return Number(numAffectedRows)
}

const count = async (db: Kysely<{}>, table = 'metric_1m') =>
  (await sql<{ count: number }>`select count(*)::int4 as count from ${sql.id(table)}`.execute(db)).rows[0]!.count

// Partitions are cut by whole chunks, whatever the month; what a calendar has a part in, policiesInTime keeps on native partitions too.
atEachMoment('maintain, where time is cut into native partitions', tests, {
  runs: leg.name !== 'community',
  at: ({ kind }) => kind !== 'calendar',
})

function tests(): void {
  const { now, daysAgo } = thisHour()
  let test: TestDatabase
  let scope: Scope
  beforeEach(async () => {
    test = await (leg.name === 'embedded' ? cleanDatabase() : nativeDatabase())
    scope = await tenant(test.db)
  })
  afterEach(() => test.close())
  const run = (options: MaintainOptions = {}) => maintain(test.db, { now, ...options })

  it('keeps partitions two chunks ahead of all nine tables', async () => {
    const tables = ['metric_1m', 'service_call_5m', 'log_pattern_5m'].flatMap((table) => [
      table,
      ...['1h', '1d'].map((length) => `${table.replace(/_\d+m$/, '')}_${length}_stored`),
    ])
    const before = await Promise.all(tables.map((table) => cut(test.db, table)))
    expect(before.map(({ partitions }) => partitions.length)).toEqual(tables.map(() => 4))
    expect((await run()).steps).toEqual([])
    const later = new Date(now.getTime() + 14 * day)
    const { steps, notDone } = await run({ now: later })
    expect(notDone).toEqual([])
    expect(steps).toContainEqual(expect.objectContaining({ kind: 'partition', object: 'metric_1m', units: 2, rows: 0 }))
    expect((await cut(test.db, 'metric_1m')).partitions).toHaveLength(6)
    expect((await run({ now: later })).steps).toEqual([])
    // What is written there is refused for what it would be refused for elsewhere, and found by what it would be found by.
    const id = (await services(scope, ['urn:svc:a'])).get('urn:svc:a')!
    const insert = (resource: string) =>
      sql`insert into metric_1m (bucket, tenant_id, resource_id, metric) values (${later}, ${scope.tenantId}::int8, ${resource}::int8, 'm')`.execute(
        test.db,
      )
    await insert(id)
    await expect(insert('-1')).rejects.toThrow(/foreign key/)
    await expect(insert(id)).rejects.toThrow(/unique|duplicate/)
    expect((await cut(test.db, 'metric_1m')).strays).toBe(0)
    const { drift } = await doctor(test.db)
    expect(drift).toEqual([])
  })

  it('gives rows outside every partition one of their own, each once, and rolls them', async () => {
    const written =
      (await insertEvery(scope, { from: daysAgo(80), to: daysAgo(40), step: '3 hours' })) +
      (await insertEvery(scope, {
        from: new Date(now.getTime() + 60 * day),
        to: new Date(now.getTime() + 61 * day),
        step: '1 hour',
        metric: 'future',
      }))
    const before = await cut(test.db, 'metric_1m')
    expect(before.strays).toBe(written)
    const { steps } = await run()
    expect(steps[0]).toMatchObject({ kind: 'partition', object: 'metric_1m', rows: written })
    const after = await cut(test.db, 'metric_1m')
    expect(after.strays).toBe(0)
    expect(after.partitions.length).toBe(before.partitions.length + steps[0]!.units)
    expect(await count(test.db)).toBe(written)
    expect((await sql`select from metric_1h where bucket < ${daysAgo(39)}`.execute(test.db)).rows).toHaveLength(40 * 8 + 1)
    // The partitions have what the table has: each of its indexes and foreign keys, and nothing of their own.
    const { rows: attached } = await sql`
      select
        partition.relname,
        (select count(*)::int4 from pg_index where indrelid = partition.oid) as indexes,
        (select count(*)::int4 from pg_index join pg_inherits on pg_inherits.inhrelid = indexrelid where indrelid = partition.oid) as inherited,
        (select array_agg(contype::text || ' ' || convalidated || ' ' || (conparentid <> 0) order by contype) from pg_constraint where conrelid = partition.oid and contype in ('f', 'p')) as keys
      from pg_inherits as child join pg_class as partition on partition.oid = child.inhrelid
      where child.inhparent = 'metric_1m'::regclass
    `.execute(test.db)
    expect(attached).toEqual(attached.map((row) => ({ ...(row as object), indexes: 3, inherited: 3, keys: ['p true true'] })))
    expect((await run()).steps).toEqual([])
  })

  it('reads one partition for an hour, and not all of it', async () => {
    const day = Math.floor(daysAgo(7).getTime() / 86_400_000) * 86_400_000
    await insertEvery(scope, { from: daysAgo(10), to: now, step: '1 minute' })
    await run()
    await sql`analyze metric_1m`.execute(test.db)
    const installation = await findInstallation(test.db)
    const bounds = [new Date(day), new Date(day + 3_600_000)].map((moment) => moment.toISOString())
    const plan = await test.db.executeQuery<{ 'QUERY PLAN': string }>(
      CompiledQuery.raw(`explain ${rolledRows(installation, metric1h, 'bucket >= $1 and bucket < $2')}`, bounds),
    )
    const text = plan.rows.map((row) => row['QUERY PLAN']).join('\n')
    const read = [...text.matchAll(/ on (metric_1m_(?:p\d+|default))\b(?!_)/g)].map(([, table]) => table)
    expect([new Set(read).size, text]).toEqual([1, text])
    expect(text).not.toMatch(/Seq Scan/)
  })

  it('leaves what was written with a year that no calendar has, and makes do with partitions cut otherwise', async () => {
    const ids = await services(scope, ['urn:svc:a'])
    await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric)
      select bucket::timestamptz, ${scope.tenantId}::int8, ${ids.get('urn:svc:a')}::int8, 'm'
      from unnest(array['infinity', '-infinity', '0044-03-15 BC', '20000-01-01']) as bucket
    `.execute(test.db)
    // Half of a chunk's stretch, made by somebody else.
    const chunk = Math.floor(daysAgo(100).getTime() / (7 * day)) * 7 * day
    const [from, middle] = [new Date(chunk + 2 * day), new Date(chunk + 4 * day)]
    await sql
      .raw(`create table metric_theirs partition of metric_1m for values from ('${from.toISOString()}') to ('${middle.toISOString()}')`)
      .execute(test.db)
    const written = await insertEvery(scope, { from: new Date(chunk), to: new Date(chunk + 7 * day - 1), step: '6 hours' })
    const { notDone } = await run()
    expect(notDone).toEqual([])
    expect(await cut(test.db, 'metric_1m')).toMatchObject({ strays: 4 })
    expect(await count(test.db)).toBe(written + 4)
    expect((await run()).steps).toEqual([])
  })

  it('drops nothing that has no retention, then what is older than it and has been rolled, and never an hour of the rollup', async () => {
    const written = await insertEvery(scope, { from: daysAgo(60), to: daysAgo(1), step: '6 hours' })
    expect((await run()).steps.filter(({ kind }) => kind === 'drop')).toEqual([])
    const hours = (await sql`select * from metric_1h order by bucket`.execute(test.db)).rows
    expect(hours).toHaveLength(written)
    await retention(test.db, 'metric_1m', '30 days')
    const report = await run()
    expect(report.steps.map(({ kind, object }) => `${kind} ${object}`)).toEqual(['drop metric_1m'])
    // Whole chunks of seven days from the epoch on: everything before the last one that ended 30 days ago.
    const dropped = new Date(Math.floor(daysAgo(30).getTime() / (7 * day)) * 7 * day)
    const { rows } = await sql<{ first: Date; known: Date }>`
      select (select min(bucket) from metric_1m) as first, (select dropped_before from pgvantage_time_table where name = 'metric_1m') as known
    `.execute(test.db)
    expect(rows[0]!.known).toEqual(dropped)
    expect(rows[0]!.first >= dropped && rows[0]!.first.getTime() < dropped.getTime() + 6 * 3_600_000).toBe(true)
    expect((await sql`select * from metric_1h order by bucket`.execute(test.db)).rows).toEqual(hours)
    expect((await run()).steps).toEqual([])
  })

  it('drops no table for its name: neither a partition of another schema nor what has its name in ours', async () => {
    await sql`create schema elsewhere`.execute(test.db)
    const [from, to] = [daysAgo(700), daysAgo(690)].map((time) => sql.lit(time.toISOString()))
    await sql`create table elsewhere.metric_1m_old partition of metric_1m for values from (${from}) to (${to})`.execute(test.db)
    await sql`create table metric_1m_old (theirs int4)`.execute(test.db)
    await retention(test.db, 'metric_1m', '90 days')
    const { steps, notDone } = await run()
    expect([steps, notDone]).toEqual([[], []])
    const { rows } =
      await sql`select to_regclass('elsewhere.metric_1m_old') is not null and to_regclass('public.metric_1m_old') is not null as kept`.execute(
        test.db,
      )
    expect(rows).toEqual([{ kept: true }])
  })

  it('rolls old rows before it drops them, and gives them no partition for that', async () => {
    await retention(test.db, 'metric_1m', '30 days')
    await insertEvery(scope, { from: daysAgo(90), to: daysAgo(80), step: '6 hours' })
    const before = await cut(test.db, 'metric_1m')
    const { steps, tooLate } = await run()
    expect(tooLate).toEqual([])
    expect(steps.map(({ kind, object }) => `${kind} ${object}`)).toEqual(
      expect.arrayContaining(['roll metric_1h', 'roll metric_1d', 'drop metric_1m']),
    )
    expect(await cut(test.db, 'metric_1m')).toEqual({
      partitions: before.partitions.filter((bound) => !bound.includes('never')),
      strays: 0,
    })
    expect(await count(test.db)).toBe(0)
    expect(await count(test.db, 'metric_1h')).toBe(41)
    expect((await run()).steps).toEqual([])
  })
}

describe.skipIf(!leg.available || !leg.concurrent)('maintain beside others, where time is cut into native partitions', () => {
  const { now, daysAgo } = thisHour()
  let test: TestDatabase
  let scope: Scope
  beforeEach(async () => {
    test = await nativeDatabase()
    scope = await tenant(test.db)
  })
  afterEach(() => test.close())

  it('neither loses nor doubles nor refuses a row that is written while its partition is made', async () => {
    const id = (await services(scope, ['urn:svc:a'])).get('urn:svc:a')!
    const others = connect({ connectionString: test.url!, max: 6 })
    let stop = false
    let written = 0
    const writer = async (name: number) => {
      for (let round = 0; !stop; round++) {
        // Each round writes into a chunk that has no partition yet, or has just been given one.
        await sql`
          insert into metric_1m (bucket, tenant_id, resource_id, metric)
          select ${daysAgo(40 + 7 * (round % 6))}::timestamptz + ${`${name * 100_000 + round} milliseconds`}::interval + at * interval '10 minutes', ${scope.tenantId}::int8, ${id}::int8, 'm'
          from generate_series(1, 20) as at
        `.execute(others)
        written += 20
      }
    }
    let seen = 0
    const reader = async () => {
      while (!stop) {
        const least = written
        const found = await count(others)
        // Whatever had been written when it was asked is there, and nothing is there twice.
        expect(found).toBeGreaterThanOrEqual(Math.max(seen, least))
        seen = found
      }
    }
    const all = Promise.all([writer(1), writer(2), writer(3), reader()])
    const moved: number[] = []
    try {
      for (let round = 0; round < 4; round++) {
        const { steps } = await maintain(test.db, { now })
        moved.push(...steps.flatMap(({ kind, rows }) => (kind === 'partition' ? [rows ?? 0] : [])))
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    } finally {
      stop = true
      await all
      await others.destroy()
    }
    await maintain(test.db, { now })
    expect(moved.some((rows) => rows > 0)).toBe(true)
    expect(await cut(test.db, 'metric_1m')).toMatchObject({ strays: 0 })
    expect(await count(test.db)).toBe(written)
    const { rows } = await sql<{ same: boolean }>`
      select (select sum(sample_count) from metric_1h) = (select sum(sample_count) from metric_1m) as same
    `.execute(test.db)
    expect(rows[0]!.same).toBe(true)
  })

  it('waits for no lock for long: what cannot be had is left for the next run, and everybody else goes on', async () => {
    // One chunk later, one partition more is needed, wherever in its chunk now is.
    const later = new Date(now.getTime() + 30 * day)
    const holder = await connect({ connectionString: test.url!, max: 1 }).startTransaction().execute()
    // Somebody registers a resource and takes their time.
    await tenantScope(holder, 't-001')
    await sql`insert into dim_resource (tenant_id, urn, type, name) values (${scope.tenantId}::int8, 'urn:slow', 'service', 'slow')`.execute(
      holder,
    )
    const started = performance.now()
    const report = await maintain(test.db, { now: later, lockAttempts: 2 })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(report.notDone).toContainEqual(
      expect.objectContaining({ kind: 'partition', object: 'service_call_5m', state: 'locked', attempts: 2 }),
    )
    await holder.rollback().execute()
    const next = await maintain(test.db, { now: later })
    expect(next.notDone).toEqual([])
    expect(next.steps).toContainEqual(expect.objectContaining({ kind: 'partition', object: 'service_call_5m', units: 1 }))
  })
})
