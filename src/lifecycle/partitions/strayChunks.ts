import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { chunkStretch } from './chunkGrid.ts'
import { defaultPartitionOf } from './partition.ts'
import { datable, type Stretch } from '../statement.ts'

/**
 * The chunks of a partitioned table of which the default partition holds rows, the oldest first.
 *
 * Rows before the year 2 and after 9998 stay where they are for good: no calendar but the server's
 * has a name for their partition.
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
