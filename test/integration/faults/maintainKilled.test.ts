import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { chaos } from '../../support/chaos/chaos.ts'
import { leg, tenant, freshDatabase, type TestDatabase } from '../../support/leg.ts'
import { nativeDatabase } from '../../support/rung.ts'
import { services } from '../../support/rows.ts'

const day = 86_400_000
const now = new Date(Math.floor(Date.now() / day) * day)
const script = fileURLToPath(new URL('./maintainOnce.ts', import.meta.url))

describe.skipIf(!leg.available || !leg.concurrent).each([
  ['native partitions', nativeDatabase],
  ['hypertables', freshDatabase],
] as const)('maintain of %s in processes of its own', (_, open) => {
  let test: TestDatabase
  let scope: Scope
  let minutes: unknown
  let clean: unknown

  beforeAll(async () => {
    test = await open()
    scope = await tenant(test.db)
    const id = (await services(scope, ['urn:svc:a'])).get('urn:svc:a')!
    // Sixty days, of which the policy keeps forty; on a server without TimescaleDB most of it has no partition yet.
    await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val)
      select at, ${scope.tenantId}::int8, ${id}::int8, 'm' || metric, extract(hour from at) + metric, 1, 1
      from generate_series(${new Date(now.getTime() - 60 * day)}::timestamptz, ${now}::timestamptz, '30 minutes') as at
      cross join generate_series(1, 2) as metric
    `.execute(test.db)
    await sql`insert into pgvantage_policy (object, kind, settings) values ('metric_1m', 'retention', '{"retain": "40 days"}')`.execute(
      test.db,
    )
    await sql`create table minutes_then as select bucket, resource_id, metric, avg_val from metric_1m`.execute(test.db)
    minutes = await kept()
    // What is wanted, computed without any of the machinery: the view over nothing rolled.
    clean = await everything()
  })
  afterAll(() => test.close())

  /** The rows that are to be there in the end: those of chunks that had not ended 40 days ago. */
  const kept = async () => {
    const boundary = new Date(Math.floor((now.getTime() - 40 * day) / (7 * day)) * 7 * day)
    const { rows } = await sql`
      select count(*)::int4 as count, min(bucket) as first, sum(avg_val) as sum from minutes_then where bucket >= ${boundary}
    `.execute(test.db)
    return rows
  }
  const everything = async () => {
    const { rows } = await sql`
      select
        (select count(*)::int4 from metric_1h) as hours,
        (select md5(string_agg(row (bucket, metric, avg_val, sample_count, histogram)::text, ';' order by bucket, metric)) from metric_1h) as hourly,
        (select md5(string_agg(row (bucket, metric, avg_val, sample_count, histogram)::text, ';' order by bucket, metric)) from metric_1d) as daily
    `.execute(test.db)
    return rows
  }
  const stale = async () =>
    (
      await sql<{
        count: number
      }>`select count(*)::int4 as count from pgvantage_stale_bucket where bucket < ${new Date(now.getTime() - 2 * day)}`.execute(test.db)
    ).rows[0]!.count
  const start = () => {
    const child = spawn(process.execPath, [script, test.url!, now.toISOString()], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    const { promise: ended, resolve, reject } = Promise.withResolvers<{ code: number | null; out: string }>()
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out }))
    return { child, ended, units: () => out.split('\n').length - 1, over: () => child.exitCode !== null }
  }

  it('killed at any moment loses and doubles nothing, and the next one goes on; two at once share the work', async () => {
    const { kills, random } = chaos('maintain killed', 3)
    for (let kill = 0; kill < kills; kill++) {
      const run = start()
      const units = 1 + Math.floor(random() * 8)
      while (run.units() < units && !run.over()) await new Promise((resolve) => setTimeout(resolve, 2))
      run.child.kill('SIGKILL')
      await run.ended
      // At every moment the rollups answer the same.
      expect(await everything()).toEqual(clean)
    }
    expect(await stale()).toBeGreaterThan(0)
    const both = [start(), start()]
    for (const { ended } of both) expect((await ended).code).toBe(0)
    expect(await everything()).toEqual(clean)
    expect(await stale()).toBe(0)
    const { rows } = await sql`select count(*)::int4 as count, min(bucket) as first, sum(avg_val) as sum from metric_1m`.execute(test.db)
    expect(rows).toEqual(minutes)
    const db = connect({ connectionString: test.url!, max: 1 })
    expect(await maintain(db, { now })).toEqual({ steps: [], tooLate: [], notDone: [] })
    await db.destroy()
  })
})
