import { sql, type Kysely } from 'kysely'
import { capabilities, requiredExtensions, type Capabilities, type KnownExtension } from '../database/capabilities.ts'
import { MissingCapabilityError } from '../schema/errors.ts'
import { execute } from '../lifecycle/statement.ts'
import { older } from '../database/older.ts'

/** The extensions used by pgvantage that the database has. */
export const installedExtensions = ({ extensions }: Capabilities): KnownExtension[] =>
  Object.entries(extensions).flatMap(([name, state]) => (state.installed === null ? [] : [name as KnownExtension]))

/**
 * TimescaleDB ends the connection if it is created without being preloaded, so it is only tried if
 * it is preloaded.
 */
const canCreate = (server: Capabilities, name: KnownExtension) => {
  const { installed, available } = server.extensions[name]
  return installed === null && available !== null && (name !== 'timescaledb' || server.embedded || server.timescalePreloaded === true)
}

/** From this version a filtered search of an HNSW index can continue until it has found enough. */
const minimumVector = '0.8.0'

/**
 * The extensions that `migrate up` would create on this server: those that it offers and the
 * database does not have.
 *
 * @throws MissingCapabilityError if a required one is not available.
 */
export function extensionsToCreate(server: Capabilities): KnownExtension[] {
  for (const name of requiredExtensions) {
    const { installed, available } = server.extensions[name]
    if (installed === null && available === null) {
      throw new MissingCapabilityError(
        `the server has no extension ${name}, which the schema needs: install its package (Debian: postgresql-NN-pgvector, postgresql-contrib) or choose a server that offers it`,
      )
    }
  }
  const { installed, available } = server.extensions.vector
  const vector = installed ?? available ?? ''
  if (older(vector, minimumVector)) {
    throw new MissingCapabilityError(
      `the server has pgvector ${vector}, searching needs ${minimumVector} (iterative index scans): install a later one${installed === null ? '' : ' and run `alter extension vector update`'}`,
    )
  }
  return Object.keys(server.extensions).filter((name): name is KnownExtension => canCreate(server, name as KnownExtension))
}

/**
 * Creates the extensions that can be created. A failure is a notice for an optional extension, and
 * an error for a required one.
 *
 * @returns the created extensions, and one sentence for each one that is missing.
 */
export async function createExtensions(trx: Kysely<{}>): Promise<{ created: KnownExtension[]; notices: string[] }> {
  const created: KnownExtension[] = []
  const notices: string[] = []
  const server = await capabilities(trx)
  const required: readonly string[] = requiredExtensions
  for (const name of extensionsToCreate(server)) {
    await execute(trx, 'savepoint pgvantage_extension')
    try {
      await execute(trx, `create extension if not exists ${name}`)
      created.push(name)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      if (required.includes(name)) {
        throw new MissingCapabilityError(
          `extension ${name} could not be created (${reason}): have a superuser run \`create extension ${name}\` in this database`,
          { cause },
        )
      }
      await execute(trx, 'rollback to savepoint pgvantage_extension')
      notices.push(`extension ${name} is available but could not be created (${reason}); pgvantage works without it`)
    }
    await execute(trx, 'release savepoint pgvantage_extension')
  }
  await assertUsable(trx)
  const { timescaledb } = server.extensions
  if (timescaledb.installed === null && timescaledb.available !== null && !canCreate(server, 'timescaledb')) {
    notices.push(
      'timescaledb is available but not known to be in shared_preload_libraries: new rollup tables become native partitions. To have hypertables, add it there, restart, and install into a fresh schema',
    )
  }
  return { created, notices }
}

/** Only its owner may use AGE's schema at first; what we install for it refers to its types. */
async function assertUsable(trx: Kysely<{}>): Promise<void> {
  const { rows } = await sql<{ role: string }>`
    select pg_catalog.quote_ident(current_user::text) as role from pg_catalog.pg_namespace where nspname = 'ag_catalog' and not has_schema_privilege(oid, 'usage')
  `.execute(trx)
  if (rows[0] !== undefined) {
    throw new MissingCapabilityError(
      `this database has Apache AGE, but this role may not use it: have a superuser run \`grant usage on schema ag_catalog to ${rows[0].role}\``,
    )
  }
}

/**
 * Sets a search path with PostgreSQL's own schema and those of the extensions, and no other, so
 * that their operator classes and functions are found. It lasts until the transaction ends.
 */
export const extensionSearchPath = `select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', (
  select pg_catalog.string_agg(distinct pg_catalog.quote_ident(namespace.nspname), ', ')
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname in ('vector', 'pg_trgm', 'btree_gist', 'timescaledb')
), 'pg_temp'), true)`
