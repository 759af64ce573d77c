import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { atEachMoment } from '../../support/moment/atEachMoment.ts'
import { insertMetrics } from '../../support/rows.ts'

const jobs = leg.name === 'community'
const codes = ['policies-never-applied', 'policy-job-gone', 'policy-job-failed', 'maintain-overdue']

atEachMoment('doctor, of policies', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const found = async () => (await doctor(test.db)).findings.filter(({ code }) => codes.includes(code))

  it('says that none have been applied, and nothing once they have', async () => {
    expect(await found()).toEqual([
      expect.objectContaining({
        severity: 'info',
        code: 'policies-never-applied',
        remedy: expect.stringContaining('pgvantage policies apply'),
      }),
    ])
    await applyPolicies(test.db)
    expect(await found()).toEqual([])
  })

  it.runIf(!jobs)('warns when nobody maintains what is old enough', async () => {
    const scope = await tenant(test.db)
    const daysAgo = (days: number) => new Date(Math.floor(Date.now() / 60_000) * 60_000 - days * 86_400_000)
    await insertMetrics(scope, [{ bucket: daysAgo(1), resource: 'urn:shop', metric: 'load', samples: [1] }])
    expect(await found()).toEqual([])
    await insertMetrics(scope, [{ bucket: daysAgo(5), resource: 'urn:shop', metric: 'load', samples: [1] }])
    expect(await found()).toEqual([
      expect.objectContaining({
        severity: 'warning',
        code: 'maintain-overdue',
        message: expect.stringMatching(/^metric_1h has never been rolled up/),
        remedy: expect.stringContaining('pgvantage maintain'),
      }),
    ])
    await maintain(test.db)
    expect(await found()).toEqual([])
    // What comes late is nobody's neglect.
    await insertMetrics(scope, [{ bucket: daysAgo(6), resource: 'urn:shop', metric: 'load', samples: [1] }])
    expect(await found()).toEqual([])
  })

  it.runIf(jobs)('warns of jobs that are gone, switched off or failed', async () => {
    const { rows } = await sql<{ id: number }>`select job_id as id from pgvantage_policy where object = 'metric_1m' order by kind`.execute(
      test.db,
    )
    const [compression, retention] = rows.map(({ id }) => id)
    await sql`select delete_job(${sql.lit(compression)})`.execute(test.db)
    await sql`select alter_job(${sql.lit(retention)}, scheduled => false)`.execute(test.db)
    expect(await found()).toEqual([
      expect.objectContaining({ code: 'policy-job-gone', message: `job ${compression}, the compression of metric_1m, is gone` }),
      expect.objectContaining({ code: 'policy-job-gone', message: `job ${retention}, the retention of metric_1m, is switched off` }),
    ])
    await applyPolicies(test.db)
    expect(await found()).toEqual([])
    // Nothing runs by itself in process: what a failed run leaves behind.
    const { rows: hourly } = await sql<{
      id: number
    }>`select job_id as id from pgvantage_policy where object = 'metric_1h' and kind = 'refresh'`.execute(test.db)
    await sql`
      update _timescaledb_internal.bgw_job_stat
      set last_start = now(), last_finish = now(), last_run_success = false, total_runs = 1, total_failures = 1
      where job_id = ${sql.lit(hourly[0]!.id)}
    `.execute(test.db)
    expect(await found()).toEqual([
      expect.objectContaining({ code: 'policy-job-failed', remedy: expect.stringMatching(`job_errors where job_id = ${hourly[0]!.id}`) }),
    ])
  })

  it('says nothing of policies whose tables are not there', async () => {
    await sql`alter table pgvantage_policy rename to mislaid`.execute(test.db)
    expect(await found()).toEqual([])
    await sql`alter table mislaid rename to pgvantage_policy`.execute(test.db)
  })
})
