import type { Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import type { Rollup } from './rollup.ts'
import { datable, execute } from '../statement.ts'

/**
 * So many marks go at a time at most: what a single writer can leave does not keep a turn for long.
 */
const batch = 100_000

const marks = (installation: Installation) => qualified(installation, 'pgvantage_stale_bucket')

/**
 * The newest marked buckets that begin at `from` or after it (null: whenever) and before `before`,
 * in order.
 *
 * Each is one look into the index, however often it is marked and however many others are.
 */
export async function newestStale(
  db: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  { from, before, limit }: { from: Date | null; before: Date; limit: number },
): Promise<Date[]> {
  const newest = (below: string) =>
    `select bucket from ${marks(installation)} where rollup = $1 and ${datable} and bucket < ${below} and bucket >= coalesce($3::timestamptz, '-infinity') order by bucket desc limit 1`
  const { rows } = await execute<{ bucket: Date }>(
    db,
    `with recursive newest (bucket, number) as (
  (select bucket, 1 from (${newest('$2::timestamptz')}) as first)
  union all
  select (${newest('newest.bucket')}), number + 1 from newest where newest.bucket is not null and number < $4::int4
)
select bucket from newest where bucket is not null order by bucket`,
    [name, before.toISOString(), from?.toISOString() ?? null, limit],
  )
  return rows.map(({ bucket }) => bucket)
}

/**
 * Takes the marks of buckets away, at most a hundred thousand: those that were marked, in order,
 * and whether that was all.
 *
 * What was marked more often than that keeps a mark for the next time, and is not to be rolled yet.
 */
export async function takeMarks(
  trx: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  buckets: readonly Date[],
): Promise<{ buckets: Date[]; all: boolean }> {
  const { rows } = await execute<{ bucket: Date; count: number }>(
    trx,
    `with taken as (
  delete from ${marks(installation)}
  where ctid = any (array(select ctid from ${marks(installation)} where rollup = $1 and bucket = any ($2::timestamptz[]) limit ${batch}))
  returning bucket
)
select bucket, count(*)::int4 as count from taken group by bucket order by bucket`,
    [name, buckets.map((bucket) => bucket.toISOString())],
  )
  const taken = rows.map(({ bucket }) => bucket)
  const all = rows.reduce((sum, { count }) => sum + count, 0) < batch
  if (!all) await mark(trx, installation, { name }, taken)
  return { buckets: taken, all }
}

/** Marks buckets as stale. */
export const mark = (trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, buckets: readonly Date[]) =>
  execute(trx, `insert into ${marks(installation)} (rollup, bucket) select $1, bucket from unnest($2::timestamptz[]) as stale (bucket)`, [
    name,
    buckets.map((bucket) => bucket.toISOString()),
  ])

/** Forgets marks before a moment, at most a hundred thousand; how many there were. */
export async function forgetMarks(trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, before: Date) {
  const { numAffectedRows = 0n } = await execute(
    trx,
    `delete from ${marks(installation)}
where ctid = any (array(select ctid from ${marks(installation)} where rollup = $1 and ${datable} and bucket < $2 limit ${batch}))`,
    [name, before.toISOString()],
  )
  return { count: Number(numAffectedRows), all: Number(numAffectedRows) < batch }
}

/**
 * Up to the earliest mark that is left the rollup may answer with what is stored. Marks before
 * where it has come to already do not hold it back: what came late is in its hour when that is
 * rolled again, and everybody else's hours do not wait for it.
 */
export const advance = (trx: Kysely<{}>, installation: Installation, { name }: Pick<Rollup, 'name'>, horizon: Date) =>
  execute(
    trx,
    `update ${qualified(installation, 'pgvantage_time_table')} as known set rolled_until = clean.until
from (
  select coalesce(min(stale.bucket), $2::timestamptz) as until
  from ${marks(installation)} as stale
  where stale.rollup = $1 and ${datable} and stale.bucket < $2::timestamptz
    and stale.bucket >= (select rolled_until from ${qualified(installation, 'pgvantage_time_table')} where name = $1)
) as clean
where known.name = $1 and known.rolled_until < clean.until`,
    [name, horizon.toISOString()],
  )
