import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { quoteIdentifier, quoteLiteral } from '../../database/sql/identifier.ts'
import type { TimescaleFunction } from '../../lifecycle/timescale.ts'
import { remember } from './remember.ts'
import { type PolicySettings } from '../policies/appliedPolicies.ts'
import type { DeclaredPolicy, JobShape } from '../policies/declaredPolicies.ts'
import { interval, timestamp } from './literals.ts'

/**
 * The statements that create the job of a policy and record it as ours.
 *
 * Jobs of ours never start in the same second: compression and retention of one table at the same
 * time deadlocked now and then. Each starts at its own offset after the next full `every`, in UTC,
 * and keeps that offset.
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

/**
 * The statement that enables compression of a hypertable: rows with equal values of these columns
 * form a segment, in this order.
 */
export const columnstore = (installation: Installation, object: string, { segmentBy, orderBy }: PolicySettings['compression']): string =>
  `alter table ${qualified(installation, object)} set (timescaledb.enable_columnstore, timescaledb.segmentby = ${names(segmentBy)}, timescaledb.orderby = ${names(orderBy)})`

const names = (columns: readonly string[]) => quoteLiteral(columns.map(quoteIdentifier).join(', '))

/**
 * The offset between the starts of two jobs. It lets 24 jobs start within half an hour, the
 * shortest interval between runs.
 */
const stagger = 75_000

function firstStart({ every, position }: JobShape, now: Date): Date {
  const length = milliseconds(every)
  return new Date((Math.floor(now.getTime() / length) + 1) * length + position * stagger)
}
