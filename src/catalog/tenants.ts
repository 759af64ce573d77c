import { sql, type Kysely, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { explainAgeCache } from '../database/ageCache.ts'
import { findInstallation } from '../database/installation.ts'
import { plainKysely } from '../database/plain.ts'
import { NotFoundError, VantageError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import { boundedText, storableObject, type Json } from '../schema/text.ts'

export interface TenantInput {
  /** The tenant's business key, unique in the installation; at most 255 bytes. */
  code: string
  /** For people; the code, if left out of a tenant that is new. */
  name?: string
  labels?: Record<string, Json>
}

const tenantInput = z.strictObject({ code: boundedText(255), name: boundedText(1024).optional(), labels: storableObject.optional() })

/**
 * Creates the tenant if there is none with this code; else updates the name and labels that were given. Returns its id.
 *
 * Safe to call from many places at once.
 *
 * @throws InvalidInputError when a field is empty, too long or cannot be stored.
 * @throws SchemaVersionError when the database is not migrated.
 * @example
 * await ensureTenant(db, { code: 't-001', name: 'Shop' })
 * const scope = await tenantScope(db, 't-001')
 *
 * // insert into "public"."dim_tenant" (code, name, labels) values ($1, coalesce($2, $1), coalesce($3::jsonb, '{}'))
 * // on conflict (code) do update set name = coalesce($2, dim_tenant.name), labels = coalesce($3::jsonb, dim_tenant.labels)
 * // returning tenant_id
 */
export async function ensureTenant<Database>(
  db: Kysely<Database>,
  tenant: TenantInput,
  { schema }: { schema?: string } = {},
): Promise<string> {
  const { code, name = null, labels } = parse(tenantInput, tenant, 'tenant')
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const json = labels === undefined ? null : JSON.stringify(labels)
  const { rows } = await sql<{ id: string }>`
    insert into ${sql.id(installation.schema, 'dim_tenant')} as tenant (code, name, labels)
    values (${code}, coalesce(${name}::text, ${code}), coalesce(${json}::jsonb, '{}'))
    on conflict (code) do update set name = coalesce(${name}::text, tenant.name), labels = coalesce(${json}::jsonb, tenant.labels)
    returning tenant_id::text as id
  `.execute(plain)
  return rows[0]!.id
}

export interface DeleteTenantOptions {
  schema?: string
  /** At most this many rows go in one transaction. Default: 10,000. */
  batch?: number
  signal?: AbortSignal
  onProgress?: (progress: { table: string; deleted: number }) => void
}

/** Whatever refers to another table stands before it. */
const tenantTables = [
  'evidence_link',
  'event_envelope',
  'kb_chunk',
  'kb_doc',
  'topo_edge_time',
  'log_pattern_5m',
  'log_pattern',
  'service_call_5m',
  'metric_1m',
  'oo_locator',
  'dim_resource',
  'dim_tenant',
] as const

/**
 * Deletes a tenant and everything of it: its rows in all twelve tables and its AGE graph.
 *
 * In transactions of at most `batch` rows, so that no lock is held long; the tenant itself goes last. Interrupted, it is run again and
 * continues. Rows that others write for the tenant meanwhile are met by the foreign keys: the call fails at the end and can be repeated.
 *
 * @returns how many rows were deleted from each table.
 * @throws InvalidInputError when the code or an option cannot be.
 * @throws NotFoundError when there is no such tenant.
 * @throws VantageError when rows were written for the tenant meanwhile.
 * @example
 * await deleteTenant(db, 't-001', { onProgress: ({ table, deleted }) => console.log(table, deleted) })
 */
export async function deleteTenant<Database>(
  db: Kysely<Database>,
  code: string,
  options: DeleteTenantOptions = {},
): Promise<Record<string, number>> {
  parse(boundedText(255), code, 'code')
  const { schema, batch, signal, onProgress } = parse(deleteOptions, options, 'options')
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const tenant = await sql<{ id: string; graph: string; hasGraph: boolean }>`
    select
      tenant_id::text as id,
      ${installation.graphPrefix}::text || '_' || tenant_id as graph,
      exists (select from pg_catalog.pg_namespace where nspname = ${installation.graphPrefix}::text || '_' || tenant_id) as "hasGraph"
    from ${sql.id(installation.schema, 'dim_tenant')}
    where code = ${code}
  `.execute(plain)
  const [found] = tenant.rows
  if (found === undefined) throw new NotFoundError(`there is no tenant with code ${preview(code)}`)
  if (found.hasGraph) {
    signal?.throwIfAborted()
    await sql`select ${sql.id(installation.schema, 'call_graph_drop')}(${found.graph})`.execute(plain).catch((error: unknown) => {
      throw explainAgeCache(error)
    })
  }
  const deleted: Record<string, number> = {}
  for (const table of tenantTables) {
    const name = sql.id(installation.schema, table)
    let total = 0
    let count: number
    do {
      signal?.throwIfAborted()
      count = await deleteSome(plain, name, found.id, batch)
      total += count
      if (count > 0) onProgress?.({ table, deleted: total })
    } while (count === batch)
    deleted[table] = total
  }
  return deleted
}

/** Deletes at most `batch` rows of a tenant from a table and returns how many there were. */
async function deleteSome(db: Kysely<{}>, table: RawBuilder<unknown>, tenantId: string, batch: number): Promise<number> {
  // Rows are fetched by their place (a TID scan), not by searching the table again. A place is unique only within one chunk or partition, hence
  // the condition on the table's oid beside it.
  try {
    const { numAffectedRows = 0n } = await sql`
      with doomed as materialized (select tableoid as part, ctid as place from ${table} where tenant_id = ${tenantId}::int8 limit ${batch})
      delete from ${table}
      where ctid = any (array(select place from doomed)) and (tableoid, ctid) in (select part, place from doomed)
    `.execute(db)
    return Number(numAffectedRows)
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error
    throw new VantageError('rows were written for the tenant while it was deleted: stop what writes them, then delete it again', {
      cause: error,
    })
  }
}

const isForeignKeyViolation = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === '23503'

const deleteOptions = z.strictObject({
  schema: z.string().optional(),
  batch: z.int().min(1).default(10_000),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: z.custom<DeleteTenantOptions['onProgress']>().optional(),
})
