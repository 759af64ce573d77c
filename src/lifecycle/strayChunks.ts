import type { Kysely } from 'kysely'
import { qualified, type Installation } from '../database/installation.ts'
import { milliseconds } from '../database/range.ts'
import { chunkStretch, defaultPartitionOf } from './partition.ts'
import type { Rollup } from './rollup.ts'
import { datable, execute, type Stretch } from './statement.ts'

/**
 * The chunks of a partitioned table of which the default partition holds rows, the oldest first.
 *
 * Rows before the year 2 and after 9998 stay where they are for good: no calendar but the server's has a name for their partition.
 */
export async function strayChunks(
  db: Kysely<{}>,
  installation: Installation,
  { table, chunk }: { table: string; chunk: string },
): Promise<Stretch[]> {
  const overflow = await defaultPartitionOf(db, installation, table)
  if (overflow === null) return []
  return chunksOf(db, chunk, qualified(installation, overflow), 'true', [])
}

/** The chunks that the marked buckets of a rollup, before its horizon, will be stored in. */
export const staleChunks = (
  db: Kysely<{}>,
  installation: Installation,
  { name, chunk }: Pick<Rollup, 'name' | 'chunk'>,
  horizon: Date,
): Promise<Stretch[]> =>
  chunksOf(db, chunk, qualified(installation, 'pgvantage_stale_bucket'), 'rollup = $2 and bucket < $3', [name, horizon.toISOString()])

async function chunksOf(db: Kysely<{}>, chunk: string, table: string, where: string, parameters: readonly unknown[]): Promise<Stretch[]> {
  const { rows } = await execute<{ number: number }>(
    db,
    `select floor(extract(epoch from bucket) * 1000 / $1::float8::numeric)::float8 as number
from ${table}
where ${datable} and ${where}
group by 1
order by 1`,
    [milliseconds(chunk), ...parameters],
  )
  return rows.map(({ number }) => chunkStretch(chunk, number))
}
