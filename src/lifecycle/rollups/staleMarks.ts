import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import type { Rollup } from './rollup.ts'
import { datable } from '../statement.ts'

/**
 * The most marks that are removed at a time, so that many marks of a single writer do not take a
 * turn for long.
 */
const batch = 100_000

const marks = ({ schema }: Installation) => sql.id(schema, 'pgvantage_stale_bucket')

/**
 * The newest marked buckets that begin at or after `from` (null: no lower bound) and before
 * `before`, in order.
 *
 * Each is one look into the index, for any number of marks.
 */
export async function newestStale(
  db: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  { from, before, limit }: { from: Date | null; before: Date; limit: number },
): Promise<Date[]> {
  const newest = (below: RawBuilder<unknown>) => sql`
    select bucket
    from ${marks(installation)}
    where rollup = ${name} and ${datable}
      and bucket < ${below} and bucket >= coalesce(${from?.toISOString() ?? null}::timestamptz, '-infinity')
    order by bucket desc
    limit 1`
  const { rows } = await sql<{ bucket: Date }>`
    with recursive newest (bucket, number) as (
      (select bucket, 1 from (${newest(sql`${before.toISOString()}::timestamptz`)}) as first)
      union all
      select (${newest(sql`newest.bucket`)}), number + 1 from newest where newest.bucket is not null and number < ${limit}::int4
    )
    select bucket from newest where bucket is not null order by bucket
  `.execute(db)
  return rows.map(({ bucket }) => bucket)
}

/**
 * Removes the marks of buckets, at most a hundred thousand. Returns the buckets that were marked,
 * in order, and whether all marks are gone.
 *
 * A bucket with more marks keeps one for the next time, and must not be rolled up yet.
 */
export async function takeMarks(
  trx: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  buckets: readonly Date[],
): Promise<{ buckets: Date[]; all: boolean }> {
  const wanted = buckets.map((bucket) => bucket.toISOString())
  const { rows } = await sql<{ bucket: Date; count: number }>`
    with taken as (
      delete from ${marks(installation)}
      where ctid = any (array(
        select ctid from ${marks(installation)} where rollup = ${name} and bucket = any (${wanted}::timestamptz[]) limit ${sql.lit(batch)}
      ))
      returning bucket
    )
    select bucket, count(*)::int4 as count from taken group by bucket order by bucket
  `.execute(trx)
  const taken = rows.map(({ bucket }) => bucket)
  const all = rows.reduce((sum, { count }) => sum + count, 0) < batch
  if (!all) await mark(trx, installation, { name }, taken)
  return { buckets: taken, all }
}

/** Marks buckets as stale. */
export const mark = (trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, buckets: readonly Date[]) =>
  sql`
    insert into ${marks(installation)} (rollup, bucket)
    select ${name}, bucket from unnest(${buckets.map((bucket) => bucket.toISOString())}::timestamptz[]) as stale (bucket)
  `.execute(trx)

/** Deletes marks before a time, at most a hundred thousand; returns their number. */
export async function forgetMarks(trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, before: Date) {
  const { numAffectedRows = 0n } = await sql`
    delete from ${marks(installation)}
    where ctid = any (array(
      select ctid from ${marks(installation)} where rollup = ${name} and ${datable} and bucket < ${before.toISOString()} limit ${sql.lit(batch)}
    ))
  `.execute(trx)
  return { count: Number(numAffectedRows), all: Number(numAffectedRows) < batch }
}

/**
 * Lets the rollup use its stored rows up to the earliest mark. Marks before the present position do
 * not move it back: late rows appear when their hour is rolled up again, and other tenants' hours
 * do not wait for it.
 */
export const advance = (trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, horizon: Date) =>
  sql`
    update ${sql.id(installation.schema, 'pgvantage_time_table')} as known set rolled_until = clean.until
    from (
      select coalesce(min(stale.bucket), ${horizon.toISOString()}::timestamptz) as until
      from ${marks(installation)} as stale
      where stale.rollup = ${name} and ${datable} and stale.bucket < ${horizon.toISOString()}::timestamptz
        and stale.bucket >= (select rolled_until from ${sql.id(installation.schema, 'pgvantage_time_table')} where name = ${name})
    ) as clean
    where known.name = ${name} and known.rolled_until < clean.until
  `.execute(trx)
