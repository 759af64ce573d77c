import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { rolledColumns, rolledKeys, rollupColumns, storedTable, type Rollup } from './rollup.ts'
import { beginsWithin, type Stretch } from '../statement.ts'

/** Rolls up buckets again, for all tenants or one; returns how many rows were written. */
export async function rollBuckets(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  buckets: readonly Date[],
  tenantId: string | null = null,
): Promise<number> {
  if (buckets.length === 0) return 0
  const stored = await storedSource(trx, installation, rollup)
  let rows = 0
  for (const run of runsOf(rollup, buckets)) {
    const from = stored !== null && (await isStored(trx, installation, rollup, run)) ? stored : rollup.source
    rows += await rollRun(trx, installation, rollup, run, { tenantId, from })
  }
  return rows
}

/**
 * Groups neighbouring buckets: each group is one read of one stretch of the source, with constant
 * bounds for the planner.
 */
export function runsOf(rollup: Pick<Rollup, 'bucket'>, buckets: readonly Date[]): Stretch[] {
  const length = milliseconds(rollup.bucket)
  const runs: Stretch[] = []
  for (const from of buckets) {
    const to = new Date(from.getTime() + length)
    const before = runs.at(-1)
    if (before?.to.getTime() === from.getTime()) runs[runs.length - 1] = { from: before.from, to }
    else runs.push({ from, to })
  }
  return runs
}

/** The stored table of a source that is a rollup itself; null for any other source. */
async function storedSource(trx: Kysely<{}>, installation: Installation, { source }: Rollup): Promise<string | null> {
  const stored = storedTable({ name: source })
  const { rows } = await sql<{ there: boolean }>`select to_regclass(${qualified(installation, stored)}) is not null as there`.execute(trx)
  return rows[0]!.there ? stored : null
}

/**
 * Whether the stored rows of the source, a rollup itself, are complete for a stretch. Its view
 * gives the same rows, but for every daily bucket it is planned as a read of all chunks of the
 * minutes too.
 */
async function isStored(trx: Kysely<{}>, installation: Installation, { source }: Rollup, stretch: Stretch): Promise<boolean> {
  const { rows } = await sql<{ stored: boolean }>`
    select
      rolled_until >= ${stretch.to.toISOString()}::timestamptz or not exists (
        select from ${sql.id(installation.schema, 'pgvantage_stale_bucket')} where rollup = ${source} and ${beginsWithin(stretch)}
      ) as stored
    from ${sql.id(installation.schema, 'pgvantage_time_table')}
    where name = ${source}
  `.execute(trx)
  return rows[0]!.stored
}

async function rollRun(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  stretch: Stretch,
  { tenantId, from }: { tenantId: string | null; from: string },
): Promise<number> {
  const stored = sql.id(installation.schema, storedTable(rollup))
  const within = tenantId === null ? beginsWithin(stretch) : sql`${beginsWithin(stretch)} and tenant_id = ${tenantId}::int8`
  // Most buckets are rolled up for the first time, and deleting no rows from a hypertable with many
  // chunks takes longer than all other work.
  const { rows } = await sql<{ some: boolean }>`select exists (select from ${stored} where ${within}) as some`.execute(trx)
  if (rows[0]!.some) await sql`delete from ${stored} where ${within}`.execute(trx)
  const { numAffectedRows = 0n } = await sql`
    insert into ${stored} (${sql.raw(rollupColumns(rollup).join(', '))})
    select ${sql.raw(rolledColumns(installation, rollup))}
    from ${sql.id(installation.schema, from)}
    where ${within}
    group by ${sql.raw(rolledKeys(rollup))}
  `.execute(trx)
  return Number(numAffectedRows)
}

/**
 * The buckets that must stay as they are: part of their source has been dropped, and they have rows
 * from it. An empty bucket has nothing to lose: all of its source was written after the drop.
 */
export async function lateOf(trx: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]): Promise<Set<number>> {
  const { rows: known } = await sql<{ before: Date }>`
    select dropped_before as before
    from ${sql.id(installation.schema, 'pgvantage_time_table')}
    where name = ${rollup.source} and isfinite(dropped_before)
  `.execute(trx)
  const closed = known[0]?.before
  const old = closed === undefined ? [] : buckets.filter((bucket) => bucket < closed)
  if (old.length === 0) return new Set()
  const { rows } = await sql<{ bucket: Date }>`
    select stale.bucket
    from unnest(${old.map((bucket) => bucket.toISOString())}::timestamptz[]) as stale (bucket)
    where exists (
      select from ${sql.id(installation.schema, storedTable(rollup))} as stored where stored.bucket = stale.bucket
    )
  `.execute(trx)
  return new Set(rows.map(({ bucket }) => bucket.getTime()))
}
