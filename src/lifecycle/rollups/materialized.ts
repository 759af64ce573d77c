import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { storedTable, type Rollup } from './rollup.ts'

/**
 * The table with the rows of a rollup: ours, or the hypertable behind TimescaleDB's continuous
 * aggregate.
 */
export async function storedIn(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Pick<Rollup, 'name'>,
): Promise<{ schema: string; name: string }> {
  if (installation.timeRung !== 'community') return { schema: installation.schema, name: storedTable(rollup) }
  const { rows } = await sql<{ schema: string; name: string }>`
    select materialization_hypertable_schema::text as schema, materialization_hypertable_name::text as name
    from timescaledb_information.continuous_aggregates
    where view_schema = ${installation.schema} and view_name = ${rollup.name}
  `.execute(db)
  return rows[0]!
}
