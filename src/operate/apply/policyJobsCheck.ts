import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { appliedPolicies } from '../policies/appliedPolicies.ts'
import { readableUpkeep } from '../policies/readableUpkeep.ts'

/** Checks that policies were applied, and that the server's jobs carry them out. */
export const policyJobsCheck: Check = {
  name: 'policies',
  async find(examined) {
    const installation = await readableUpkeep(examined)
    if (installation === null) return []
    if ((await appliedPolicies(examined.db, installation)).length === 0) {
      return [
        {
          severity: 'info',
          code: 'policies-never-applied',
          message: 'no policies have been applied: nothing is compressed, dropped or deleted at any age',
          remedy: 'look at `pgvantage policies plan`, then run `pgvantage policies apply`',
          needs: 'maintainer',
        },
      ]
    }
    return installation.timeRung === 'community' ? jobFindings(examined.db, installation.schema) : []
  },
}

interface JobState {
  id: number
  object: string
  kind: string
  gone: boolean
  scheduled: boolean
  failed: boolean
  at: Date | null
}

async function jobFindings(db: Kysely<{}>, schema: string): Promise<Finding[]> {
  const { rows } = await sql<JobState>`
    select policy.job_id as id, policy.object, policy.kind, job.job_id is null as gone, coalesce(job.scheduled, false) as scheduled,
      coalesce(stats.last_run_status = 'Failed', false) as failed, stats.last_run_started_at as at
    from ${sql.id(schema, 'pgvantage_policy')} as policy
    left join timescaledb_information.jobs as job on job.job_id = policy.job_id and job.hypertable_schema = ${schema} and job.hypertable_name = policy.object
    left join timescaledb_information.job_stats as stats on stats.job_id = job.job_id
    where policy.job_id is not null
    order by policy.job_id
  `.execute(db)
  return rows.flatMap(({ id, object, kind, gone, scheduled, failed, at }): Finding[] => {
    const job = `job ${id}, the ${kind} of ${object},`
    if (gone || !scheduled) {
      return [
        {
          severity: 'warning',
          code: 'policy-job-gone',
          message: `${job} ${gone ? 'is gone' : 'is switched off'}`,
          remedy: 'run `pgvantage policies apply`, which corrects it; if you do not want it, declare policies without it',
          needs: 'maintainer',
        },
      ]
    }
    if (!failed) return []
    return [
      {
        severity: 'warning',
        code: 'policy-job-failed',
        message: `${job} failed when it ran last${at === null ? '' : `, at ${at.toISOString()}`}`,
        remedy: `see why in timescaledb_information.job_errors where job_id = ${id}, or run \`call run_job(${id})\`; the server tries it again`,
      },
    ]
  })
}
