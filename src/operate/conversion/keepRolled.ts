import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { rollupColumns, storedTable, type Rollup } from '../../lifecycle/rollups/rollup.ts'
import { execute } from '../../lifecycle/statement.ts'
import { rollups } from './rebuilt.ts'

/**
 * Copies rolled-up rows whose source is gone into the new continuous aggregate, directly into its
 * hypertable, which its owner may write: they cannot be rolled up again. A refresh that begins at
 * the first row of the source does not touch them.
 */
export async function keepRolled(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  dropped: ReadonlyMap<string, string>,
): Promise<number> {
  const { rows } = await sql<{ place: string; id: number }>`
    select format('%I.%I', aggregate.materialization_hypertable_schema, aggregate.materialization_hypertable_name) as place, hypertable.id
    from timescaledb_information.continuous_aggregates as aggregate
    join _timescaledb_catalog.hypertable as hypertable
      on hypertable.schema_name = aggregate.materialization_hypertable_schema and hypertable.table_name = aggregate.materialization_hypertable_name
    where aggregate.view_schema = ${installation.schema} and aggregate.view_name = ${rollup.name}
  `.execute(trx)
  const { place, id } = rows[0]!
  const columns = rollupColumns(rollup).map(quoteIdentifier).join(', ')
  const kept = await sql<{ kept: string }>`
    with kept as (
      insert into ${sql.raw(place)} (${sql.raw(columns)})
      select ${sql.raw(columns)} from ${sql.id(installation.schema, storedTable(rollup))}
      where bucket < greatest(${dropped.get(rollup.source) ?? '-infinity'}::timestamptz, (${oldestChunk(installation, rollup)}))
      returning 1
    )
    select count(*)::text as kept from kept
  `.execute(trx)
  const count = Number(kept.rows[0]!.kept)
  if (count > 0) await showKept(trx, id)
  return count
}

/**
 * Makes the aggregate show the copied rows, by moving its watermark: up to the watermark it shows
 * materialized rows. Only a superuser may move it; otherwise the first refresh that rolls up
 * something does.
 */
async function showKept(trx: Kysely<{}>, hypertable: number): Promise<void> {
  await execute(trx, 'savepoint pgvantage_watermark')
  try {
    await execute(trx, `call _timescaledb_functions.cagg_migrate_update_watermark(${hypertable})`)
  } catch {
    await execute(trx, 'rollback to savepoint pgvantage_watermark')
  }
  await execute(trx, 'release savepoint pgvantage_watermark')
}

/**
 * The start of the oldest chunk of a rollup's source, or of the source's source; infinity if there
 * is no chunk.
 */
function oldestChunk({ schema }: Installation, rollup: Rollup) {
  const names = [rollup.source]
  for (let finer = finerOf(rollup); finer !== undefined; finer = finerOf(finer)) names.push(finer.source)
  return sql`
    select coalesce(min(chunk.range_start), 'infinity')
    from unnest(${names}::text[]) as wanted (name)
    left join timescaledb_information.continuous_aggregates as aggregate on aggregate.view_schema = ${schema} and aggregate.view_name = wanted.name
    join timescaledb_information.chunks as chunk
      on chunk.hypertable_schema = coalesce(aggregate.materialization_hypertable_schema, ${schema})
      and chunk.hypertable_name = coalesce(aggregate.materialization_hypertable_name, wanted.name)
  `
}

const finerOf = ({ source }: Rollup): Rollup | undefined => rollups.find(({ name }) => name === source)
