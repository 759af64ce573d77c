import type { Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { storedTable, type Rollup } from './rollup.ts'
import { execute } from '../statement.ts'

/**
 * The table that the rolled rows of a rollup lie in: ours, or the one TimescaleDB keeps behind its
 * continuous aggregate.
 */
export async function storedIn(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Pick<Rollup, 'name'>,
): Promise<{ schema: string; name: string }> {
  if (installation.timeRung !== 'community') return { schema: installation.schema, name: storedTable(rollup) }
  const { rows } = await execute<{ schema: string; name: string }>(
    db,
    `select materialization_hypertable_schema::text as schema, materialization_hypertable_name::text as name
from timescaledb_information.continuous_aggregates where view_schema = $1 and view_name = $2`,
    [installation.schema, rollup.name],
  )
  return rows[0]!
}
