import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { appliedPolicies } from '../policies/applied.ts'
import type { Finding } from '../finding.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'

/** Whether the policies are kept: by the server's jobs, or by somebody who has `maintain` run. */
export async function policyFindings(db: Kysely<{}>, installation: Installation): Promise<Finding[]> {
  if (!(await mayRead(db, installation))) return []
  const failing = await failureFindings(db, installation)
  const applied = await appliedPolicies(db, installation)
  if (applied.length === 0) {
    return [
      ...failing,
      {
        severity: 'info',
        code: 'policies-never-applied',
        message: 'no policies have been applied: nothing is compressed, dropped or deleted, whatever its age',
        remedy: 'look at `pgvantage policies plan`, then run `pgvantage policies apply`',
      },
    ]
  }
  const kept = installation.timeRung === 'community' ? jobFindings(db, installation) : overdueFindings(db, installation)
  return [...failing, ...(await kept)]
}

/** Who only reads rollups need not see how they are kept. */
async function mayRead(db: Kysely<{}>, { schema }: Installation): Promise<boolean> {
  const { rows } = await sql<{ may: boolean }>`
    select bool_and(has_table_privilege(class.oid, 'select')) as may
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${schema} and class.relname in ('pgvantage_failure', 'pgvantage_policy', 'pgvantage_stale_bucket', 'pgvantage_time_table')
  `.execute(db)
  return rows[0]!.may
}

interface KeepsFailing {
  step: string
  object: string
  tenant: string | null
  places: number
  at: Date | null
  since: Date
  reason: string
}

/**
 * What `maintain` could not do when it tried last. Most of what fails for one tenant, or one table,
 * fails for one reason.
 */
async function failureFindings(db: Kysely<{}>, { schema }: Installation): Promise<Finding[]> {
  const { rows } = await sql<KeepsFailing>`
    select step, object, nullif(tenant_id, 0)::text as tenant, count(*)::int4 as places, nullif(max(at), '-infinity') as at, min(first_at) as since,
      (pg_catalog.array_agg(reason order by at desc))[1] as reason
    from ${sql.id(schema, 'pgvantage_failure')}
    group by step, object, tenant_id
    order by step, object, tenant_id
    limit 20
  `.execute(db)
  return rows.map(({ step, object, tenant, places, at, since, reason }) => {
    const where = `${places === 1 ? '' : `in ${places} places, the last `}${at === null ? '' : `at ${at.toISOString()}`}`
    return {
      severity: 'warning',
      code: 'maintenance-failing',
      message: `maintain cannot ${step} ${object}${where === '' ? '' : ` ${where}`}${tenant === null ? '' : ` for tenant ${tenant}`}, since ${since.toISOString()}: ${reason}`,
      remedy:
        step === 'roll' && tenant !== null
          ? 'mend or delete these rows; everybody else’s are rolled, and these are tried again when they change and every six hours'
          : 'mend what the server says; everything else is done, and this is tried again by every run of `pgvantage maintain`',
    }
  })
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

async function jobFindings(db: Kysely<{}>, { schema }: Installation): Promise<Finding[]> {
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
          remedy: 'run `pgvantage policies apply`, which puts it right; to do without it, declare policies without it',
        },
      ]
    }
    if (!failed) return []
    return [
      {
        severity: 'warning',
        code: 'policy-job-failed',
        message: `${job} failed when it ran last${at === null ? '' : `, at ${at.toISOString()}`}`,
        remedy: `see why in timescaledb_information.job_errors where job_id = ${id}, or run \`call run_job(${id})\`; it is tried again by itself`,
      },
    ]
  })
}

/** Rollups answer from their source what is not rolled yet: right, but slowly. And nothing is dropped before it is rolled. */
async function overdueFindings(db: Kysely<{}>, { schema }: Installation): Promise<Finding[]> {
  const settled = defaultPolicies.time.flatMap(({ rollups }) => rollups.map(({ rollup, settle }) => ({ name: rollup.name, settle })))
  const { rows } = await sql<{ name: string; until: Date | null }>`
    select known.name, nullif(known.rolled_until, '-infinity') as until
    from ${sql.id(schema, 'pgvantage_time_table')} as known
    join jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) as rollup (name text, settle interval) on rollup.name = known.name
    where known.rolled_until < now() - rollup.settle - interval '2 days'
      and exists (
        select from ${sql.id(schema, 'pgvantage_stale_bucket')} as stale
        where stale.rollup = known.name and stale.bucket < now() - rollup.settle - interval '2 days'
      )
    order by known.name
  `.execute(db)
  return rows.map(({ name, until }) => ({
    severity: 'warning',
    code: 'maintain-overdue',
    message: `${name} ${until === null ? 'has never been rolled up' : `is rolled up only until ${until.toISOString()}`}: it is answered from finer rows, and nothing of them is dropped`,
    remedy: 'have `pgvantage maintain` run by a scheduler, every half hour or so',
  }))
}
