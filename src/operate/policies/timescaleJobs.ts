import { sql, type Kysely } from 'kysely'
import { quoteIdentifier, quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import type { PolicyKind, PolicySettings } from './applied.ts'
import type { DeclaredPolicy, JobShape } from './declared.ts'

/** A job of TimescaleDB's that compresses, drops or refreshes one of our tables, whoever made it. Lengths are milliseconds. */
export interface PolicyJob {
  readonly id: number
  readonly object: string
  readonly kind: PolicyKind
  readonly every: number
  /** Whether it runs at all: a job can be switched off. */
  readonly scheduled: boolean
  /** The age after which it drops or compresses; null for others. */
  readonly after: number | null
  /** Where its window begins and ends, before now; null for others, and for a window without that end. */
  readonly start: number | null
  readonly end: number | null
}

/** The server's jobs for our tables; none but on the rung `community`. */
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
    -- A procedure of somebody's own may have the name of one of TimescaleDB's.
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

/** What a job does, for a person: `drops what is older than 90 days`. */
export function describeJob({ kind, after, start, end }: PolicyJob): string {
  const days = (length: number | null) => (length === null ? 'any age' : `${length / 86_400_000} days`)
  if (kind === 'refresh') return `rolls what is between ${days(start)} and ${days(end)} old`
  return `${kind === 'retention' ? 'drops' : 'compresses'} what is older than ${days(after)}`
}

/** Names functions of TimescaleDB, wherever the extension was put. */
export type TimescaleFunction = (name: string) => string

export async function timescaleFunctions(db: Kysely<{}>): Promise<TimescaleFunction> {
  const { rows } = await sql<{ schema: string }>`
    select namespace.nspname::text as schema
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'timescaledb'
  `.execute(db)
  const schema = rows[0]?.schema ?? 'public'
  return (name) => `${quoteIdentifier(schema)}.${name}`
}

/**
 * The statements that make the job of a policy and remember it as ours.
 *
 * Jobs of ours never begin in the same second: compression and retention of one table that did deadlocked now and then. Each begins at a time of its
 * own after the next full `every`, counted in UTC, and stays on it.
 */
export function addJob(installation: Installation, fn: TimescaleFunction, policy: DeclaredPolicy, job: JobShape, now: Date): string[] {
  const table = quoteLiteral(qualified(installation, policy.object))
  const schedule = `schedule_interval => ${interval(job.every)}, initial_start => ${timestamp(firstStart(job, now))}`
  switch (policy.kind) {
    case 'refresh': {
      const { start, settle } = policy.settings
      return [
        remember(
          installation,
          policy,
          `${fn('add_continuous_aggregate_policy')}(${table}::regclass, start_offset => ${interval(start)}, end_offset => ${interval(settle)}, ${schedule})`,
        ),
      ]
    }
    case 'retention':
      return [
        remember(
          installation,
          policy,
          `${fn('add_retention_policy')}(${table}::regclass, drop_after => ${interval(policy.settings.retain)}, ${schedule})`,
        ),
      ]
    case 'compression':
      return [
        `call ${fn('add_columnstore_policy')}(${table}::regclass, after => ${interval(policy.settings.after)}, ${schedule})`,
        remember(
          installation,
          policy,
          `(select job_id from timescaledb_information.jobs where proc_name = 'policy_compression' and hypertable_schema = ${quoteLiteral(installation.schema)} and hypertable_name = ${quoteLiteral(policy.object)})`,
        ),
      ]
  }
}

/** The statement that lets a hypertable be compressed: each segment holds the rows that have these columns in common, in this order. */
export const columnstore = (installation: Installation, object: string, { segmentBy, orderBy }: PolicySettings['compression']): string =>
  `alter table ${qualified(installation, object)} set (timescaledb.enable_columnstore, timescaledb.segmentby = ${names(segmentBy)}, timescaledb.orderby = ${names(orderBy)})`

const names = (columns: readonly string[]) => quoteLiteral(columns.map(quoteIdentifier).join(', '))

/** The statement that remembers a policy as applied; `job` is an expression for its job's id. */
export const remember = (installation: Installation, { object, kind, settings }: DeclaredPolicy, job = 'null'): string =>
  `insert into ${qualified(installation, 'pgvantage_policy')} (object, kind, settings, job_id)
values (${quoteLiteral(object)}, ${quoteLiteral(kind)}, ${quoteLiteral(JSON.stringify(settings))}, ${job})
on conflict (object, kind) do update set settings = excluded.settings, job_id = excluded.job_id, applied_at = now()`

export const forget = (installation: Installation, { object, kind }: { object: string; kind: PolicyKind }): string =>
  `delete from ${qualified(installation, 'pgvantage_policy')} where object = ${quoteLiteral(object)} and kind = ${quoteLiteral(kind)}`

/**
 * The statement that notes which buckets may be gone by what a retention has dropped so far, before it is changed or removed.
 *
 * A job drops whole chunks whose end is old enough, and chunks are aligned to the epoch; that it may not have run since only errs on the safe side.
 */
export const noteDropped = (installation: Installation, { object }: { object: string }, chunk: string, retain: string): string =>
  `update ${qualified(installation, 'pgvantage_time_table')} as known
set dropped_before = dropped.before
from (select date_bin(${interval(chunk)}, now() - ${interval(retain)}, timestamptz '1970-01-01 00:00:00+00')) as dropped (before)
where known.name = ${quoteLiteral(object)} and known.dropped_before < dropped.before`

export const interval = (text: string): string => `interval ${quoteLiteral(text)}`

export const timestamp = (moment: Date): string => `timestamptz ${quoteLiteral(moment.toISOString())}`

/** Between the first seconds of two of our jobs. With 18 jobs all begin within the half hour in which the most frequent come again. */
const stagger = 90_000

function firstStart({ every, position }: JobShape, now: Date): Date {
  const length = milliseconds(every)
  return new Date((Math.floor(now.getTime() / length) + 1) * length + position * stagger)
}
