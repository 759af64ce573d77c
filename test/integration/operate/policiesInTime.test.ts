import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callPolicy } from '../../../src/calls/callPolicy.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { patternPolicy } from '../../../src/logs/patternPolicy.ts'
import { metricPolicy } from '../../../src/metrics/metricPolicy.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { policiesWith } from '../../../src/operate/policies/policiesWith.ts'
import { planPolicies } from '../../../src/operate/apply/planPolicies.ts'
import { expectedHoldings, history, holdings, writeHistory } from '../../support/history.ts'
import { freshDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { atEachMoment } from '../../support/moment/atEachMoment.ts'
import { clockShift } from '../../support/moment/moment.ts'
import { actions, changed, declared, jobs, keepPolicies, named, ourJobs } from '../../support/policies.ts'

atEachMoment('a history', () => {
  let test: TestDatabase
  let scope: Scope
  const now = new Date()
  // Longer than everything is kept; at other moments, of which there are many, metrics and patterns are kept for less.
  const moved = clockShift() !== 0
  const [kept, shorter] = moved ? ['40 days', '20 days'] : ['180 days', '60 days']
  const points = history(now, moved ? 55 : 400)
  const keeping = (retain: string) => policiesWith({ metric_1m: { retain }, log_pattern_5m: { retain: kept } })
  const expected = (retain: string) =>
    expectedHoldings(points, now, {
      ...declared,
      metric_1m: { ...metricPolicy, retain },
      log_pattern_5m: { ...patternPolicy, retain: kept },
    })

  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await writeHistory(scope, points)
  })
  afterAll(() => test?.close())

  it('ends rolled up and dropped exactly where declared', async () => {
    const { changes } = await applyPolicies(test.db, { policies: keeping(kept) })
    const { add, keep, change, remove } = actions(changes)
    expect([keep, change, remove]).toEqual([undefined, undefined, undefined])
    expect(named(add)).toContain('metric_1m retention')
    await keepPolicies(test.db)
    expect(await holdings(scope)).toEqual(expected(kept))
  }, 300_000)

  it.runIf(jobs)('is compressed where it is older than a week', async () => {
    const { rows } = await sql<{ compressed: boolean; since: Date; until: Date; bounds: boolean }>`
      select is_compressed as compressed, min(range_start) as since, max(range_end) as until,
        bool_and((range_end <= now() - interval '7 days') = is_compressed) as bounds
      from timescaledb_information.chunks where hypertable_name = 'metric_1m' group by 1 order by 1
    `.execute(test.db)
    expect(rows.map(({ compressed, bounds }) => ({ compressed, bounds }))).toEqual([
      { compressed: false, bounds: true },
      { compressed: true, bounds: true },
    ])
    expect(rows[1]!.until).toEqual(rows[0]!.since)
  })

  it('stays so when they are kept again', async () => {
    expect(changed((await applyPolicies(test.db, { policies: keeping(kept) })).changes)).toEqual([])
    await keepPolicies(test.db)
    const report = await maintain(test.db)
    expect(report.steps).toEqual([])
    expect(await holdings(scope)).toEqual(expected(kept))
  })

  it('loses no hour when its retention gets longer again, nor when it gets shorter', async () => {
    for (const retain of [shorter, '365 days']) {
      await applyPolicies(test.db, { policies: keeping(retain) })
      await keepPolicies(test.db)
      expect(await holdings(scope)).toEqual(expected(shorter))
    }
  })
})

// Only what TimescaleDB drops decides here, which is whole chunks: no month and no zone has a part in it.
atEachMoment('hours', hours, { runs: jobs, at: ({ kind }) => kind === 'chunk' })
function hours(): void {
  it.each(['ours', '25 days'])(
    'are not emptied by a job of somebody else that drops sooner than the one before (%s)',
    async (before) => {
      const test = await freshDatabase()
      const scope = await tenant(test.db)
      const now = new Date()
      const points = history(now, 30)
      await writeHistory(scope, points)
      if (before !== 'ours') await sql`select add_retention_policy('metric_1m', ${before}::interval)`.execute(test.db)
      await applyPolicies(test.db)
      // The days are made from hours that maintenance may have rolled.
      for (const _turn of [1, 2]) await keepPolicies(test.db)
      await sql`select remove_retention_policy('metric_1m')`.execute(test.db)
      const { rows } = await sql<{ id: number }>`select add_retention_policy('metric_1m', interval '10 days') as id`.execute(test.db)
      await sql`call run_job(${sql.lit(rows[0]!.id)})`.execute(test.db)
      const { metric_1m, metric_1h, metric_1d } = expectedHoldings(points, now, {
        ...declared,
        metric_1m: { ...metricPolicy, retain: '10 days' },
      })
      await maintain(test.db)
      expect(await holdings(scope)).toMatchObject({ metric_1m, metric_1h, metric_1d })
      await applyPolicies(test.db)
      const { rows: refreshes } = await sql<{ id: number }>`
      select job_id as id from timescaledb_information.jobs where proc_name like 'policy_refresh%' order by job_id
    `.execute(test.db)
      for (const { id } of refreshes) await sql`call run_job(${sql.lit(id)})`.execute(test.db)
      await maintain(test.db)
      expect(await holdings(scope)).toMatchObject({ metric_1m, metric_1h, metric_1d })
      await test.close()
    },
    300_000,
  )
}

// What is planned is cut by whole chunks, on each of seven days; in other months and zones it is what 'a history' above keeps.
atEachMoment('jobs', ofJobs, { runs: jobs, at: ({ kind }) => kind === 'chunk' })
function ofJobs(): void {
  let test: TestDatabase
  /** One that no policy is ever applied to. */
  let untouched: TestDatabase

  beforeAll(async () => {
    test = await freshDatabase()
    untouched = await freshDatabase()
  })
  afterAll(async () => {
    await test?.close()
    await untouched?.close()
  })

  const jobOf = async (object: string, kind: string) => {
    const { rows } = await sql<{ id: number }>`
      select job_id as id from pgvantage_policy where object = ${object} and kind = ${kind}
    `.execute(test.db)
    return rows[0]!.id
  }

  it('of somebody else are left alone, and none is put beside them', async () => {
    await sql`select add_retention_policy('metric_1m', interval '30 days')`.execute(test.db)
    const { changes } = await applyPolicies(test.db)
    const retention = changes.find(({ object, kind }) => object === 'metric_1m' && kind === 'retention')!
    expect(retention).toMatchObject({
      action: 'leave',
      statements: [],
      reason: expect.stringMatching(/did not make, drops what is older than 30 days.*delete_job/),
    })
    // Refreshed further back than its minutes are kept, an hour would be emptied.
    const refresh = changes.find(({ object, kind }) => object === 'metric_1h' && kind === 'refresh')!
    expect(refresh).toMatchObject({ action: 'add', declared: { start: '28 days' } })
    const { rows } = await sql<{ after: string }>`
      select config ->> 'drop_after' as after from timescaledb_information.jobs where hypertable_name = 'metric_1m' and proc_name = 'policy_retention'
    `.execute(test.db)
    expect(rows).toEqual([{ after: '30 days' }])
    expect(changed(await planPolicies(test.db))).toEqual([])
    await sql`select remove_retention_policy('metric_1m')`.execute(test.db)
    const { changes: after } = await applyPolicies(test.db)
    expect(changed(after)).toEqual(['add metric_1m retention'])
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it.each([
    ['1 day', 'leave'],
    ['2 days', 'leave'],
    ['3 days', '3 days'],
    ['6 days 12 hours', '6 days'],
    ['7 days', '7 days'],
    ['30 days', '28 days'],
    ['175 days', '173 days'],
    ['400 days', '173 days'],
  ])('of somebody else that drop after %s are planned for alike on every day: %s', async (after, planned) => {
    await sql`select add_retention_policy('metric_1m', ${after}::interval)`.execute(untouched.db)
    const seen = new Set<string>()
    for (let days = 0; days < 7; days += 1) {
      const plan = await planPolicies(untouched.db, { now: new Date(Date.now() + days * 86_400_000) })
      const { action, declared } = plan.find(({ object, kind }) => object === 'metric_1h' && kind === 'refresh')!
      seen.add(action === 'leave' ? action : String(declared !== null && 'start' in declared && declared.start))
    }
    await sql`select remove_retention_policy('metric_1m')`.execute(untouched.db)
    expect([...seen]).toEqual([planned])
  })

  it('of somebody else that drop within days keep the hours from being refreshed by a job at all', async () => {
    await applyPolicies(test.db, { policies: { time: [callPolicy, patternPolicy] }, remove: true })
    await sql`select add_retention_policy('metric_1m', interval '1 day')`.execute(test.db)
    const { changes } = await applyPolicies(test.db)
    const refresh = changes.find(({ object, kind }) => object === 'metric_1h' && kind === 'refresh')!
    expect(refresh).toMatchObject({ action: 'leave', statements: [], reason: expect.stringMatching(/would empty metric_1h/) })
    await sql`select remove_retention_policy('metric_1m')`.execute(test.db)
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('of ours go where somebody else began to drop within days', async () => {
    const refreshing = await jobOf('metric_1h', 'refresh')
    await sql`select remove_retention_policy('metric_1m')`.execute(test.db)
    await sql`select add_retention_policy('metric_1m', interval '1 day')`.execute(test.db)
    const { changes } = await applyPolicies(test.db)
    expect(changed(changes)).toEqual(['remove metric_1h refresh'])
    expect(await ourJobs(test.db)).not.toContain(refreshing)
    const { rows } = await sql`select from timescaledb_information.jobs where job_id = ${sql.lit(refreshing)}`.execute(test.db)
    expect(rows).toEqual([])
    expect(changed(await planPolicies(test.db))).toEqual([])
    await sql`select remove_retention_policy('metric_1m')`.execute(test.db)
    await applyPolicies(test.db)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('never begin in the same second', async () => {
    const { rows } = await sql<{ jobs: number; seconds: number }>`
      select count(*)::int4 as jobs, count(distinct extract(epoch from initial_start)::int8 % 1800)::int4 as seconds
      from timescaledb_information.jobs where job_id in (select job_id from pgvantage_policy)
    `.execute(test.db)
    expect(rows[0]).toEqual({ jobs: 21, seconds: 21 })
  })

  it('that were altered or switched off are put right', async () => {
    const [retention, refresh] = [await jobOf('metric_1m', 'retention'), await jobOf('service_call_1h', 'refresh')]
    const dropAfter = (length: string) => sql`jsonb_build_object('drop_after', ${length}::text)`
    await sql`select alter_job(${sql.lit(retention)}, config => config || ${dropAfter('300 days')}) from timescaledb_information.jobs where job_id = ${sql.lit(retention)}`.execute(
      test.db,
    )
    await sql`select alter_job(${sql.lit(refresh)}, scheduled => false)`.execute(test.db)
    expect(changed((await applyPolicies(test.db)).changes)).toEqual(['change metric_1m retention', 'change service_call_1h refresh'])
    expect(changed(await planPolicies(test.db))).toEqual([])
    // It may have dropped all but a day: hours are then refreshed no further back than has to be.
    const again = await jobOf('metric_1m', 'retention')
    await sql`select alter_job(${sql.lit(again)}, config => config || ${dropAfter('1 day')}) from timescaledb_information.jobs where job_id = ${sql.lit(again)}`.execute(
      test.db,
    )
    const { changes } = await applyPolicies(test.db)
    expect(changed(changes)).toEqual(['change metric_1h refresh', 'change metric_1m retention'])
    expect(changes.find(({ object, kind }) => object === 'metric_1h' && kind === 'refresh')!.declared).toMatchObject({
      settle: '1 hour',
      start: expect.stringMatching(/^[1-7] days$/),
    })
    expect(changed(await planPolicies(test.db))).toEqual([])
  })

  it('that were deleted are made again', async () => {
    const job = await jobOf('metric_1m', 'compression')
    await sql`select delete_job(${sql.lit(job)})`.execute(test.db)
    const { changes } = await applyPolicies(test.db)
    expect(changed(changes)).toEqual(['change metric_1m compression'])
    expect(changes.find(({ kind }) => kind === 'compression')!.reason).toMatch(`its job ${job} is gone`)
    expect(changed(await planPolicies(test.db))).toEqual([])
  })
}
