import { sql, type Kysely, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { explainAgeCache } from '../database/explainAgeCache.ts'
import { findInstallation, type Installation } from '../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../database/connection/plainKysely.ts'
import type { TimeRange } from '../database/range.ts'
import { rollTurn } from '../database/transaction/rollTurn.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { seriesTurn } from '../database/transaction/seriesTurn.ts'
import { takeTurn } from '../database/transaction/takeTurn.ts'
import { NotFoundError, VantageError } from '../schema/errors.ts'
import { parse, parseOptions, preview } from '../schema/parse.ts'
import { boundedText } from '../schema/text.ts'

export interface DeleteTenantOptions {
  schema?: string
  /** The most rows of one transaction. Default: 10,000. */
  batch?: number
  signal?: AbortSignal
  onProgress?: (progress: { table: string; deleted: number }) => void
}

/**
 * A table that refers to another, or is computed from it, comes before it; 'rollups' are the
 * coarser tables, whose sources are empty by then.
 */
const tenantTables = [
  'evidence_link',
  'event_envelope',
  'kb_reembedding',
  'kb_term',
  'kb_word',
  'kb_corpus',
  'kb_chunk',
  'kb_doc',
  'topo_edge_time',
  'topo_snapshot',
  'ingest_journal',
  'ingest_window',
  'ingest_clock',
  'ingest_file',
  'ingest_follower',
  'sketch_5m',
  'log_pattern_5m',
  'log_pattern_seen',
  'service_call_5m',
  'metric_1m',
  'rollups',
  'metric_series',
  'log_pattern',
  'oo_locator',
  'dim_resource',
] as const

/**
 * Deletes a tenant with all its data: its rows in every table and rollup, and its AGE graph.
 *
 * | | |
 * |---|---|
 * | transactions | at most `batch` rows each, so locks are short; a compressed chunk is one transaction, since its rows cannot be deleted one by one |
 * | the tenant itself | goes last, together with its graph and with rows rolled up during the call. It waits for one unit of rolling, so neither a refresh nor a `maintain` at the same time leaves rows behind |
 * | interrupted | run it again to continue |
 * | others write rows for the tenant during the call | foreign keys make the call fail at the end; stop the writers and repeat it |
 *
 * @returns how many rows were deleted from each table.
 * @throws InvalidInputError if the code or an option is invalid, or `db` is a REPEATABLE READ or
 * SERIALIZABLE transaction.
 * @throws NotFoundError if there is no such tenant.
 * @throws VantageError if rows were written for the tenant during the call.
 * @example
 * await deleteTenant(db, 't-001', { onProgress: ({ table, deleted }) => console.log(table, deleted) })
 */
export async function deleteTenant(db: AnyKysely, code: string, options: DeleteTenantOptions = {}): Promise<Record<string, number>> {
  parse(boundedText(255), code, 'code')
  const { schema, batch, signal, onProgress } = parseOptions(deleteOptions, options)
  const plain = plainKysely(db)
  await assertReadCommitted(plain, 'deleteTenant')
  const installation = await findInstallation(plain, schema)
  const tenant = await sql<{ id: string; graph: string; hasGraphs: boolean }>`
    select
      tenant_id::text as id,
      ${installation.graphPrefix}::text || '_' || tenant_id::text as graph,
      to_regprocedure(pg_catalog.format('%I.call_graph_drop(text)', ${installation.schema}::text)) is not null as "hasGraphs"
    from ${sql.id(installation.schema, 'dim_tenant')}
    where code = ${code}
  `.execute(plain)
  const [found] = tenant.rows
  if (found === undefined) throw new NotFoundError(`there is no tenant with code ${preview(code)}`)
  const deleted: Record<string, number> = {}
  const rollups = await rollupPlaces(plain, installation)
  const places = tenantTables.flatMap((table) => (table === 'rollups' ? rollups : [{ table, schema: installation.schema, name: table }]))
  for (const { table, schema: place, name } of places) {
    let total = 0
    const report = (count: number) => {
      total += count
      if (count > 0) onProgress?.({ table, deleted: total })
    }
    // Their keys refer to nothing: a series that goes must not leave a row behind.
    if (table === 'metric_series') {
      let count: number
      do {
        signal?.throwIfAborted()
        count = await inTransaction(plain, (trx) => deleteSeries(trx, installation, found.id, batch))
        report(count)
      } while (count === batch)
      deleted[table] = total
      continue
    }
    for (const piece of await pieces(plain, installation, place, name)) {
      signal?.throwIfAborted()
      if (piece.compressed !== null) {
        const { from, to } = piece.compressed
        const rows = sql`tenant_id = ${found.id}::int8 and bucket >= ${from} and bucket < ${to}`
        report(await affected(plain, sql`delete from ${sql.id(place, name)} where ${rows}`))
        continue
      }
      let count: number
      do {
        signal?.throwIfAborted()
        count = await deleteSome(plain, sql.id(piece.schema, piece.name), found.id, batch)
        report(count)
      } while (count === batch)
    }
    deleted[table] = total
  }
  signal?.throwIfAborted()
  deleted['dim_tenant'] = await inTransaction(plain, async (trx) => {
    for (const { table, count } of await deleteRolledSince(trx, installation, rollups, found.id)) deleted[table] = deleted[table]! + count
    // A session that mirrors into the graph waits for this transaction, and then finds no tenant.
    if (found.hasGraphs) {
      await sql`select ${sql.id(installation.schema, 'call_graph_drop')}(${found.graph})`.execute(trx).catch((error: unknown) => {
        throw explainAgeCache(error)
      })
    }
    return affected(trx, sql`delete from ${sql.id(installation.schema, 'dim_tenant')} where tenant_id = ${found.id}::int8`)
  })
  if (deleted['dim_tenant'] > 0) onProgress?.({ table: 'dim_tenant', deleted: deleted['dim_tenant'] })
  return deleted
}

/**
 * Deletes rows that were rolled up for a tenant while its rows were being deleted, and prevents
 * rolling up until the transaction ends: then nothing is left to roll up. It waits for a running
 * roll-up, so that it sees its rows.
 */
async function deleteRolledSince(
  trx: Kysely<{}>,
  installation: Installation,
  rollups: readonly { table: string; schema: string; name: string }[],
  tenantId: string,
): Promise<{ table: string; count: number }[]> {
  const deleted: { table: string; count: number }[] = []
  // All sessions that take several locks take them in this order; a roll-up takes only one.
  for (const { table, schema, name } of rollups) {
    if (installation.timeRung === 'community') await sql`lock table ${sql.id(schema, name)} in share row exclusive mode`.execute(trx)
    else await takeTurn(trx, rollTurn(installation, table))
  }
  for (const { table, schema, name } of rollups) {
    const count = await affected(trx, sql`delete from ${sql.id(schema, name)} where tenant_id = ${tenantId}::int8`)
    deleted.push({ table, count })
  }
  await sql`delete from ${sql.id(installation.schema, 'pgvantage_failure')} where tenant_id = ${tenantId}::int8`.execute(trx)
  return deleted
}

/**
 * The tables with the rows of the coarser rollups: ours, or those of TimescaleDB's continuous
 * aggregates.
 */
async function rollupPlaces(
  db: Kysely<{}>,
  { schema, timeRung }: Installation,
): Promise<{ table: string; schema: string; name: string }[]> {
  const { rows } =
    timeRung === 'community'
      ? await sql<{ table: string; schema: string; name: string }>`
          select view_name::text as "table", materialization_hypertable_schema::text as schema, materialization_hypertable_name::text as name
          from timescaledb_information.continuous_aggregates
          where view_schema = ${schema} and view_name in (select name from ${sql.id(schema, 'pgvantage_time_table')})
          order by 1
        `.execute(db)
      : await sql<{ table: string; schema: string; name: string }>`
          select known.name as "table", ${schema}::text as schema, class.relname::text as name
          from ${sql.id(schema, 'pgvantage_time_table')} as known
          join pg_catalog.pg_class as class on class.relname = known.name || '_stored'
          join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace and namespace.nspname = ${schema}
          order by 1
        `.execute(db)
  return rows
}

/**
 * A part of a table, whose rows are deleted by their `ctid`; or the time range of a compressed
 * chunk of a hypertable.
 */
type Piece = { schema: string; name: string; compressed: null | TimeRange }

/** The table itself; for a hypertable that may have compressed chunks, each chunk. */
async function pieces(db: Kysely<{}>, { schema, timeRung }: Installation, place: string, name: string): Promise<Piece[]> {
  if (timeRung !== 'community' || !['sketch_5m', 'log_pattern_5m', 'service_call_5m', 'metric_1m'].includes(name)) {
    return [{ schema: place, name, compressed: null }]
  }
  const { rows } = await sql<{ schema: string; name: string; from: Date; to: Date; compressed: boolean }>`
    select chunk_schema::text as schema, chunk_name::text as name, range_start as "from", range_end as "to", is_compressed as compressed
    from timescaledb_information.chunks
    where hypertable_schema = ${schema} and hypertable_name = ${name}
    order by range_start
  `.execute(db)
  return rows.map(({ schema, name, from, to, compressed }) => ({ schema, name, compressed: compressed ? { from, to } : null }))
}

/** Deletes series of a tenant whose rows are deleted, once no transaction runs that may have written another. */
async function deleteSeries(trx: Kysely<{}>, installation: Installation, tenantId: string, batch: number): Promise<number> {
  await takeTurn(trx, seriesTurn(installation))
  const { rows } = await sql<{ written: boolean }>`
    select exists (select from ${sql.id(installation.schema, 'metric_1m')} where tenant_id = ${tenantId}::int8) as written
  `.execute(trx)
  if (rows[0]!.written) throw new VantageError(writtenMeanwhile)
  return deleteSome(trx, sql.id(installation.schema, 'metric_series'), tenantId, batch)
}

/** Deletes at most `batch` rows of a tenant from a table and returns how many there were. */
function deleteSome(db: Kysely<{}>, table: RawBuilder<unknown>, tenantId: string, batch: number): Promise<number> {
  // Rows are fetched by their place (a TID scan), without searching the table again. A place is
  // unique only within one chunk or partition, so there is a condition on the table's oid.
  return affected(
    db,
    sql`
      with doomed as materialized (select tableoid as part, ctid as place from ${table} where tenant_id = ${tenantId}::int8 limit ${batch})
      delete from ${table}
      where ctid = any (array(select place from doomed)) and (tableoid, ctid) in (select part, place from doomed)
    `,
  )
}

async function affected(db: Kysely<{}>, statement: RawBuilder<unknown>): Promise<number> {
  try {
    const { numAffectedRows = 0n } = await statement.execute(db)
    return Number(numAffectedRows)
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error
    throw new VantageError(writtenMeanwhile, { cause: error })
  }
}

const writtenMeanwhile = 'rows were written for the tenant while it was deleted: stop what writes them, then delete it again'

const isForeignKeyViolation = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === '23503'

const deleteOptions = z.strictObject({
  schema: z.string().optional(),
  batch: z.int().min(1).default(10_000),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: z.custom<DeleteTenantOptions['onProgress']>().optional(),
})
