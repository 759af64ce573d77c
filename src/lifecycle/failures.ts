import { sql, type Kysely } from 'kysely'
import type { Installation } from '../database/installation/installation.ts'

/** What upkeep could not do. */
export interface Failure {
  readonly step: string
  readonly object: string
  /** The bucket, or when the stretch of time begins; null where it has no beginning. */
  readonly at: Date | null
  /** Whose rows it is about; null where it is about everybody's. */
  readonly tenantId: string | null
  readonly reason: string
}

const failures = ({ schema }: Pick<Installation, 'schema'>) => sql.id(schema, 'pgvantage_failure')

/** Writes down that something failed, or failed again. */
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

/** Forgets that buckets could not be rolled, but for these tenants'. */
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
 * Marks buckets again of which some tenant's rows could not be rolled and were not tried for six
 * hours: a version of the library, or of the server, may do better.
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
 * Forgets what failed before a run and did not fail in it, unless the run left some of it for the
 * next one; what was set aside is tried at its own time.
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
