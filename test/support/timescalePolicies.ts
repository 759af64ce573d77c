import { sql, type Kysely } from 'kysely'

/** Puts one of each of TimescaleDB's own policies on our tables, where its community edition is: their jobs are named beside ours, and go with the tables. */
export async function addOnePolicyOfEach(db: Kysely<{}>): Promise<void> {
  await sql`alter table metric_1m set (timescaledb.compress, timescaledb.compress_segmentby = 'series_id, tenant_id, resource_id, metric', timescaledb.compress_orderby = 'bucket')`.execute(
    db,
  )
  await sql`select add_compression_policy('metric_1m', interval '7 days')`.execute(db)
  await sql`select add_retention_policy('metric_1m', interval '180 days')`.execute(db)
  await sql`select add_retention_policy('metric_1h', interval '730 days')`.execute(db)
  await sql`select add_continuous_aggregate_policy('metric_1h', start_offset => interval '170 days', end_offset => interval '1 hour', schedule_interval => interval '30 minutes')`.execute(
    db,
  )
}
