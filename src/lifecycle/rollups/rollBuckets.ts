import type { Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { rolledRows, rollupColumns, storedTable, type Rollup } from './rollup.ts'
import { execute, type Stretch } from '../statement.ts'

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
  const { rows } = await execute<{ there: boolean }>(trx, 'select to_regclass($1) is not null as there', [qualified(installation, stored)])
  return rows[0]!.there ? stored : null
}

/**
 * Whether what the source, a rollup itself, has stored of a stretch is all there is to know of it.
 * Its view would say the same, but is planned, for every bucket of days, as a read of all chunks of
 * the minutes as well.
 */
async function isStored(trx: Kysely<{}>, installation: Installation, { source }: Rollup, { from, to }: Stretch): Promise<boolean> {
  const { rows } = await execute<{ stored: boolean }>(
    trx,
    `select rolled_until >= $3::timestamptz or not exists (
  select from ${qualified(installation, 'pgvantage_stale_bucket')} where rollup = $1 and bucket >= $2::timestamptz and bucket < $3::timestamptz
) as stored
from ${qualified(installation, 'pgvantage_time_table')}
where name = $1`,
    [source, from.toISOString(), to.toISOString()],
  )
  return rows[0]!.stored
}

async function rollRun(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  { from, to }: Stretch,
  read: { tenantId: string | null; from: string },
): Promise<number> {
  const stored = qualified(installation, storedTable(rollup))
  const within = `bucket >= $1 and bucket < $2${read.tenantId === null ? '' : ' and tenant_id = $3::int8'}`
  const bounds = [from.toISOString(), to.toISOString(), ...(read.tenantId === null ? [] : [read.tenantId])]
  // Most buckets are rolled for the first time, and of a hypertable of many chunks deleting nothing
  // takes longer than all the rest.
  const { rows } = await execute<{ some: boolean }>(trx, `select exists (select from ${stored} where ${within}) as some`, bounds)
  if (rows[0]!.some) await execute(trx, `delete from ${stored} where ${within}`, bounds)
  const { numAffectedRows = 0n } = await execute(
    trx,
    `insert into ${stored} (${rollupColumns(rollup).join(', ')})\n${rolledRows(installation, rollup, within, qualified(installation, read.from))}`,
    bounds,
  )
  return Number(numAffectedRows)
}

/**
 * Of these buckets those that must stay as they are: some of what they were made from has been
 * dropped, and they hold what it was. One that holds nothing has nothing to lose: of it all there
 * is was written after the rest was dropped.
 */
export async function lateOf(trx: Kysely<{}>, installation: Installation, rollup: Rollup, buckets: readonly Date[]): Promise<Set<number>> {
  const { rows: known } = await execute<{ before: Date }>(
    trx,
    `select dropped_before as before from ${qualified(installation, 'pgvantage_time_table')} where name = $1 and isfinite(dropped_before)`,
    [rollup.source],
  )
  const closed = known[0]?.before
  const old = closed === undefined ? [] : buckets.filter((bucket) => bucket < closed)
  if (old.length === 0) return new Set()
  const { rows } = await execute<{ bucket: Date }>(
    trx,
    `select stale.bucket
from unnest($1::timestamptz[]) as stale (bucket)
where exists (select from ${qualified(installation, storedTable(rollup))} as stored where stored.bucket = stale.bucket)`,
    [old.map((bucket) => bucket.toISOString())],
  )
  return new Set(rows.map(({ bucket }) => bucket.getTime()))
}
