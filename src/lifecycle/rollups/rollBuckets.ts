import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { rolledColumns, rolledKeys, rollupColumns, storedTable, type Rollup } from './rollup.ts'
import { beginsWithin, type Stretch } from '../statement.ts'

/** Rolls buckets again, of all tenants or of one; how many rows were written. */
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
 * Neighbouring buckets together: each run is one read of one stretch of the source, whose bounds
 * the planner can see.
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

/**
 * Where the rows of a source that is a rollup itself are stored; null for a source of another kind.
 */
async function storedSource(trx: Kysely<{}>, installation: Installation, { source }: Rollup): Promise<string | null> {
  const stored = storedTable({ name: source })
  const { rows } = await sql<{ there: boolean }>`select to_regclass(${qualified(installation, stored)}) is not null as there`.execute(trx)
  return rows[0]!.there ? stored : null
}

/**
 * Whether what the source, a rollup itself, has stored of a stretch is all there is to know of it.
 * Its view would say the same, but is planned, for every bucket of days, as a read of all chunks of
 * the minutes as well.
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
  // Most buckets are rolled for the first time, and of a hypertable of many chunks deleting nothing
  // takes longer than all the rest.
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
 * Of these buckets those that must stay as they are: some of what they were made from has been
 * dropped, and they hold what it was. One that holds nothing has nothing to lose: of it all there
 * is was written after the rest was dropped.
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
