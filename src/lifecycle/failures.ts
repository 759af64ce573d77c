import { sql, type Kysely } from 'kysely'
import type { Installation } from '../database/installation/installation.ts'

/** A failure of upkeep. */
export interface Failure {
  readonly step: string
  readonly object: string
  /** The bucket, or the start of the stretch of time; null if it has no start. */
  readonly at: Date | null
  /** The tenant whose rows failed; null if it concerns all tenants. */
  readonly tenantId: string | null
  readonly reason: string
}

const failures = ({ schema }: Pick<Installation, 'schema'>) => sql.id(schema, 'pgvantage_failure')

/** Records that something failed, or failed again. */
export const noteFailure = (trx: Kysely<{}>, installation: Pick<Installation, 'schema'>, { step, object, at, tenantId, reason }: Failure) =>
  sql`
    insert into ${failures(installation)} as known (step, object, at, tenant_id, reason)
    values (
      ${step}, ${object}, coalesce(${at?.toISOString() ?? null}::timestamptz, '-infinity'), coalesce(${tenantId}::int8, 0),
      ${reason.replaceAll('\0', '').slice(0, 2_000)}
    )
    on conflict (step, object, at, tenant_id)
      do update set reason = excluded.reason, failures = known.failures + 1, last_at = excluded.last_at
  `.execute(trx)

/** Deletes the records that buckets could not be rolled up, except for these tenants. */
export const forgetSetAside = (
  trx: Kysely<{}>,
  installation: Pick<Installation, 'schema'>,
  rollup: string,
  buckets: readonly Date[],
  but: readonly string[] = [],
) =>
  sql`
    delete from ${failures(installation)}
    where step = 'roll' and object = ${rollup}
      and at = any (${buckets.map((bucket) => bucket.toISOString())}::timestamptz[]) and tenant_id <> all (${[...but]}::int8[])
  `.execute(trx)

/**
 * Marks buckets as stale in which some tenant's rows could not be rolled up and were not tried for
 * six hours: a new version of the library or the server may succeed.
 */
export const tryAgain = (trx: Kysely<{}>, installation: Pick<Installation, 'schema'>, rollup: string) =>
  sql`
    with due as (
      update ${failures(installation)} set last_at = now()
      where step = 'roll' and object = ${rollup} and tenant_id <> 0 and last_at < now() - interval '6 hours'
      returning at
    )
    insert into ${sql.id(installation.schema, 'pgvantage_stale_bucket')} (rollup, bucket) select distinct ${rollup}, at from due
  `.execute(trx)

/**
 * Deletes the records of what failed before a run and not in it, unless the run left some of that
 * work for the next one. Tenants that were set aside are tried at their own time.
 */
export const forgetFailures = (
  trx: Kysely<{}>,
  installation: Pick<Installation, 'schema'>,
  left: readonly { step: string; object: string }[],
  again: readonly Failure[],
) => {
  const kept = [
    ...left.map(({ step, object }) => ({ step, object })),
    ...again.map(({ step, object, at, tenantId }) => ({ step, object, at, tenant: tenantId ?? '0' })),
  ]
  return sql`
    delete from ${failures(installation)} as known
    where not (step = 'roll' and tenant_id <> 0)
      and not exists (
        select
        from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb) as row (step text, object text, at timestamptz, tenant text)
        where row.step = known.step and row.object = known.object
          and (row.tenant is null or (coalesce(row.at, '-infinity') = known.at and row.tenant::int8 = known.tenant_id))
      )
  `.execute(trx)
}
