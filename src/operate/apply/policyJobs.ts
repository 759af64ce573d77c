import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import type { PolicyKind } from '../policies/appliedPolicies.ts'
import type { DeclaredPolicy } from '../policies/declaredPolicies.ts'

/**
 * A job of TimescaleDB that compresses, drops or refreshes one of our tables, created by us or not.
 * Lengths are milliseconds.
 */
export interface PolicyJob {
  readonly id: number
  readonly object: string
  readonly kind: PolicyKind
  readonly every: number
  /** Whether it is scheduled: a job can be switched off. */
  readonly scheduled: boolean
  /** The age after which it drops or compresses; null for other jobs. */
  readonly after: number | null
  /**
   * The age at which its window begins and ends; null for other jobs, and if the window has no such
   * end.
   */
  readonly start: number | null
  readonly end: number | null
}

/** The server's jobs for our tables; an empty array unless the rung is `community`. */
export async function policyJobs(db: Kysely<{}>, { schema, timeRung }: Installation, objects: readonly string[]): Promise<PolicyJob[]> {
  if (timeRung !== 'community') return []
  const length = (field: string) => sql`(extract(epoch from (config ->> ${sql.lit(field)}::text)::interval) * 1000::numeric)::float8`
  const { rows } = await sql<PolicyJob>`
    select job_id as id, hypertable_name::text as object, kind,
      (extract(epoch from schedule_interval) * 1000::numeric)::float8 as every, scheduled,
      case kind when 'retention' then ${length('drop_after')} when 'compression' then ${length('compress_after')} end as after,
      case kind when 'refresh' then ${length('start_offset')} end as start,
      case kind when 'refresh' then ${length('end_offset')} end as "end"
    from timescaledb_information.jobs
    join (values
      ('policy_retention', 'retention'), ('policy_compression', 'compression'), ('policy_refresh_continuous_aggregate', 'refresh')
    ) as known (name, kind) on known.name = proc_name
    -- A user's procedure may have the name of one of TimescaleDB's.
    where proc_schema in ('_timescaledb_functions', '_timescaledb_internal')
      and hypertable_schema = ${schema} and hypertable_name = any(${objects}::text[])
    order by job_id
  `.execute(db)
  return rows
}

/** Whether a job does what the policy declares. */
export function doesAsDeclared(job: PolicyJob, policy: DeclaredPolicy): boolean {
  if (!job.scheduled) return false
  switch (policy.kind) {
    case 'retention':
      return job.after === milliseconds(policy.settings.retain)
    case 'compression':
      return job.after === milliseconds(policy.settings.after)
    case 'refresh':
      return (
        job.start === milliseconds(policy.settings.start) &&
        job.end === milliseconds(policy.settings.settle) &&
        job.every === milliseconds(policy.settings.every)
      )
  }
}

/** What a job does, in words: `drops what is older than 90 days`. */
export function describeJob({ kind, after, start, end }: PolicyJob): string {
  const days = (length: number | null) => (length === null ? 'any age' : `${length / 86_400_000} days`)
  if (kind === 'refresh') return `rolls what is between ${days(start)} and ${days(end)} old`
  return `${kind === 'retention' ? 'drops' : 'compresses'} what is older than ${days(after)}`
}
