import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { chunkStretch } from './chunkGrid.ts'
import { defaultPartitionOf } from './partition.ts'
import { datable, type Stretch } from '../statement.ts'

/**
 * The chunks for which the default partition of a table has rows, the oldest first.
 *
 * Rows before the year 2 and after 9998 stay in the default partition: only the server can write
 * the dates of their partitions.
 */
export async function strayChunks(
  db: Kysely<{}>,
  installation: Installation,
  { table, chunk }: { table: string; chunk: string },
): Promise<Stretch[]> {
  const overflow = await defaultPartitionOf(db, installation, table)
  if (overflow === null) return []
  const { rows } = await sql<{ number: number }>`
    select floor(extract(epoch from bucket) * 1000::numeric / ${milliseconds(chunk)}::float8::numeric)::float8 as number
    from ${sql.id(installation.schema, overflow)}
    where ${datable}
    group by 1
    order by 1
  `.execute(db)
  return rows.map(({ number }) => chunkStretch(chunk, number))
}
