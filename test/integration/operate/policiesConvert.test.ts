import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callPolicy } from '../../../src/calls/callPolicy.ts'
import { findInstallation, type TimeRung } from '../../../src/database/installation/installation.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { patternPolicy } from '../../../src/logs/patternPolicy.ts'
import { metricPolicy } from '../../../src/metrics/metricPolicy.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { planConversion } from '../../../src/operate/conversion/planConversion.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { schemaDrift } from '../../../src/operate/doctor/schemaDrift.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { expectedHoldings, history, holdings, writeHistory } from '../../support/history.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { databaseOnRung } from '../../support/rung.ts'

const declared = { metric_1m: metricPolicy, service_call_5m: callPolicy, log_pattern_5m: patternPolicy }
const top: TimeRung = leg.name === 'community' ? 'community' : 'apache'
const moves = (
  [
    ['native', 'community'],
    ['apache', 'community'],
    ['native', 'apache'],
  ] as const
).filter(([, to]) => to === top)

describe.runIf(leg.available && leg.timescaledb).each(moves)('from %s to %s', (from, to) => {
  let test: TestDatabase
  let scope: Scope
  const now = new Date()
  // Longer than metrics and patterns are kept, so that some is dropped before and is not lost after; that calls are is policiesInTime's question.
  const points = history(now, 190)
  const expected = expectedHoldings(points, now, declared)

  beforeAll(async () => {
    test = await databaseOnRung(from)
    scope = await tenant(test.db)
    await writeHistory(scope, points)
    // In process nothing is preloaded, and the library tells its licence only once it is loaded.
    if (to === 'community') {
      await sql`create extension if not exists timescaledb`.execute(test.db)
      await sql`select time_bucket(interval '1 day', now())`.execute(test.db)
    }
    await applyPolicies(test.db)
    await maintain(test.db)
    // What people add to tables of ours.
    await sql`alter table metric_1m add column team text default 'sre'`.execute(test.db)
    await sql`create index mine_by_team on metric_1m (team, bucket)`.execute(test.db)
    await sql`create table mine_log (at timestamptz)`.execute(test.db)
    await sql`create function mine_note() returns trigger language plpgsql as 'begin insert into mine_log values (now()); return null; end'`.execute(
      test.db,
    )
    await sql`create trigger mine after insert on metric_1m for each statement execute function mine_note()`.execute(test.db)
    await sql`create role ${sql.id(reader)}`.execute(test.db)
    await sql`grant select on metric_1m, metric_1h, service_call_1d to ${sql.id(reader)}`.execute(test.db)
    await sql`comment on table service_call_5m is 'ours'`.execute(test.db)
  }, 300_000)
  afterAll(async () => {
    if (test === undefined) return
    await sql`drop owned by ${sql.id(reader)}`.execute(test.db)
    await sql`drop role ${sql.id(reader)}`.execute(test.db)
    await test.close()
  })

  const reader = `reader_${process.pid}_${from}_${to}`
  const rung = async (db: Kysely<{}>) => (await findInstallation(db)).timeRung

  it('is told by the doctor and by the plan', async () => {
    expect(await holdings(scope)).toEqual(expected)
    expect(await planConversion(test.db)).toEqual({ fromRung: from, toRung: to, obstacles: [] })
    const { findings } = await doctor(test.db)
    const code = to === 'community' ? 'timescaledb-unused' : 'timescaledb-available'
    expect(findings.find((finding) => finding.code === code)?.remedy).toMatch('pgvantage policies apply --convert')
  })

  it('is refused while something hangs on the tables, and nothing is changed', async () => {
    await sql`create view mine_view as select max(bucket) as newest from metric_1h`.execute(test.db)
    await expect(applyPolicies(test.db, { convert: true })).rejects.toMatchObject({
      code: 'CONVERT_FAILED',
      message: expect.stringMatching(/view mine_view reads metric_1h/),
    })
    await sql`drop view mine_view`.execute(test.db)
    expect(await rung(test.db)).toBe(from)
    expect(await holdings(scope)).toEqual(expected)
  })

  it('is rolled back whole when it fails', async () => {
    await sql`alter table pgvantage_installation add constraint in_the_way check (time_rung = ${sql.lit(from)})`.execute(test.db)
    await expect(applyPolicies(test.db, { convert: true })).rejects.toMatchObject({
      code: 'CONVERT_FAILED',
      message: expect.stringMatching('in_the_way'),
    })
    await sql`alter table pgvantage_installation drop constraint in_the_way`.execute(test.db)
    expect(await rung(test.db)).toBe(from)
    expect(await holdings(scope)).toEqual(expected)
  })

  it('loses nothing', async () => {
    const { converted } = await applyPolicies(test.db, { convert: true })
    expect(converted).toMatchObject({ fromRung: from, toRung: to })
    if (from === 'native') expect(converted!.steps.find(({ object }) => object === 'metric_1m')!.rows).toBe(expected.metric_1m!.rows)
    expect(await rung(test.db)).toBe(to)
    expect(await holdings(scope)).toEqual(expected)
    expect(await planConversion(test.db)).toBeNull()
    const { rows } = await sql<{ tables: string[] }>`
      select array_agg(hypertable_name::text order by 1) as tables from timescaledb_information.hypertables where hypertable_schema = 'public'
    `.execute(test.db)
    expect(rows[0]!.tables).toEqual(expect.arrayContaining(['log_pattern_5m', 'metric_1m', 'service_call_5m']))
    const schemas = await sql`select from pg_namespace where nspname = 'pgvantage_outgrown'`.execute(test.db)
    expect(schemas.rows).toHaveLength(0)
  })

  it('leaves the schema as the migrations of that server make it, with what was added', async () => {
    const drift = await schemaDrift(test.db)
    expect(drift.map(({ kind, name }) => `${kind} ${name}`).toSorted()).toEqual([
      'added metric_1m.mine',
      'added metric_1m.mine_by_team',
      'added metric_1m.team',
    ])
    const { rows } = await sql<{ may: boolean[]; comment: string; team: string }>`
      select
        array(
          select has_table_privilege(${reader}, name, 'select')
          from unnest(array['metric_1m', 'metric_1h', 'service_call_1d', 'service_call_1h']) with ordinality as named (name, at) order by at
        ) as may,
        obj_description('service_call_5m'::regclass) as comment,
        (select team from metric_1m limit 1) as team
    `.execute(test.db)
    expect(rows[0]).toEqual({ may: [true, true, true, false], comment: 'ours', team: 'sre' })
    const refused = sql`insert into metric_1m (bucket, tenant_id, resource_id, metric) values (now(), 999, 999, 'x')`.execute(test.db)
    await expect(refused).rejects.toThrow(/foreign key/)
  })

  it('goes on as a database that was made there', async () => {
    const again = await applyPolicies(test.db, { convert: true })
    expect(again.converted).toBeNull()
    expect(again.changes.filter((change) => change.statements.length > 0)).toEqual([])
    if (to === 'community') {
      const { rows } = await sql<{ id: number }>`select job_id as id from pgvantage_policy where job_id is not null order by 1`.execute(
        test.db,
      )
      expect(rows).toHaveLength(21)
      for (const { id } of rows) await sql`call run_job(${sql.lit(id)})`.execute(test.db)
    }
    await maintain(test.db)
    expect(await holdings(scope)).toEqual(expected)
    // A late row changes its hour and its day.
    const late = points.at(-40)!.bucket
    const noted = async () => Number((await sql<{ n: string }>`select count(*)::text as n from mine_log`.execute(test.db)).rows[0]!.n)
    const before = await noted()
    await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val, max_val, sample_count)
      select bucket + interval '1 minute', tenant_id, resource_id, metric, 500, 500, 1 from metric_1m where bucket = ${late.toISOString()}::timestamptz
    `.execute(test.db)
    expect(await noted()).toBe(before + 1)
    if (to === 'community') {
      for (const name of ['metric_1h', 'metric_1d']) {
        const { rows } = await sql<{
          id: number
        }>`select job_id as id from pgvantage_policy where object = ${name} and kind = 'refresh'`.execute(test.db)
        await sql`call run_job(${sql.lit(rows[0]!.id)})`.execute(test.db)
      }
    }
    await maintain(test.db)
    const held = await holdings(scope)
    expect([held.metric_1h!.largest, held.metric_1d!.largest, held.metric_1h!.rows]).toEqual([500, 500, expected.metric_1h!.rows])
  }, 120_000)
})

describe.runIf(leg.name === 'community' && leg.available)('from apache to community, of tables nothing is written to any more', () => {
  it('shows what was rolled of them', async () => {
    const test = await databaseOnRung('apache')
    try {
      const scope = await tenant(test.db)
      const points = history(new Date(Date.now() - 400 * 86_400_000), 60)
      await writeHistory(scope, points)
      await applyPolicies(test.db)
      await maintain(test.db)
      const before = await holdings(scope)
      expect(before).toMatchObject({
        metric_1m: { rows: 0 },
        metric_1h: { rows: 240 },
        log_pattern_1h: { rows: 240 },
        // One more than 60, unless the points of a day all lie within one of UTC.
        service_call_1d: { rows: new Set(points.map(({ bucket }) => bucket.toISOString().slice(0, 10))).size },
      })
      await sql`select time_bucket(interval '1 day', now())`.execute(test.db)
      expect((await applyPolicies(test.db, { convert: true })).converted).toMatchObject({ toRung: 'community' })
      expect(await holdings(scope)).toEqual(before)
    } finally {
      await test.close()
    }
  }, 120_000)
})
