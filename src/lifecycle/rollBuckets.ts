import type { Kysely } from 'kysely'
import { qualified, type Installation } from '../database/installation.ts'
import { milliseconds } from '../database/range.ts'
import { rolledRows, rollupColumns, storedTable, type Rollup } from './rollup.ts'
import { execute, type Stretch } from './statement.ts'

/** Rolls buckets anew, of all tenants or of one; how many rows were written. */
export async function rollBuckets(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  buckets: readonly Date[],
  tenantId: string | null = null,
): Promise<number> {
  if (buckets.length === 0) return 0
  const until = await sourceRolledUntil(trx, installation, rollup)
  let rows = 0
  for (const run of runsOf(rollup, buckets)) {
    const stored = until !== null && run.to <= until
    rows += await rollRun(trx, installation, rollup, run, { tenantId, from: stored ? storedTable({ name: rollup.source }) : rollup.source })
  }
  return rows
}

/** Neighbouring buckets together: each run is one read of one stretch of the source, whose bounds the planner can see. */
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
 * Until when the source, being a rollup itself, is read where it is stored, which is what its view would do; but a planner that cannot know that plans, for every
 * bucket of days, a read of all chunks of the minutes as well. Null for a source of another kind.
 */
async function sourceRolledUntil(trx: Kysely<{}>, installation: Installation, { source }: Rollup): Promise<Date | null> {
  const { rows } = await execute<{ until: Date | null }>(
    trx,
    `select case when isfinite(rolled_until) then rolled_until end as until
from ${qualified(installation, 'pgvantage_time_table')}
where name = $1 and to_regclass($2) is not null`,
    [source, qualified(installation, storedTable({ name: source }))],
  )
  return rows[0]?.until ?? null
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
  await execute(trx, `delete from ${stored} where ${within}`, bounds)
  const { numAffectedRows = 0n } = await execute(
    trx,
    `insert into ${stored} (${rollupColumns(rollup).join(', ')})\n${rolledRows(installation, rollup, within, qualified(installation, read.from))}`,
    bounds,
  )
  return Number(numAffectedRows)
}

/**
 * Of these buckets those that must stay as they are: some of what they were made from has been dropped, and they hold what it was. One that holds
 * nothing has nothing to lose: of it all there is was written after the rest was dropped.
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
