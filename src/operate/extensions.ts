import { sql, type Kysely } from 'kysely'
import { capabilities, requiredExtensions, type Capabilities, type KnownExtension } from '../database/capabilities.ts'
import { MissingCapabilityError } from '../schema/errors.ts'
import { execute } from '../lifecycle/statement.ts'
import { older } from '../database/older.ts'

/** The extensions of ours that the database has. */
export const installedExtensions = ({ extensions }: Capabilities): KnownExtension[] =>
  Object.entries(extensions).flatMap(([name, state]) => (state.installed === null ? [] : [name as KnownExtension]))

/**
 * TimescaleDB ends the connection when it is created without being preloaded, so it is tried only
 * where that cannot happen.
 */
const canCreate = (server: Capabilities, name: KnownExtension) => {
  const { installed, available } = server.extensions[name]
  return installed === null && available !== null && (name !== 'timescaledb' || server.embedded || server.timescalePreloaded === true)
}

/** Since then a filtered search of an HNSW index can go on until it has found enough. */
const minimumVector = '0.8.0'

/**
 * The extensions that `migrate up` would create on this server: what it offers and the database has
 * not.
 *
 * @throws MissingCapabilityError when a required one can be found nowhere.
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
 * Creates what can be created. An optional extension that fails is a notice, a required one an
 * error.
 *
 * @returns what was created, and one sentence for each thing that has to be done without.
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

/** AGE's schema is open to nobody but its owner; what we install for it has to name its types. */
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
 * Operator classes and functions of extensions are found wherever the extensions were put, and
 * nothing else is found but PostgreSQL's own, whatever the search path was. Lasts until the
 * transaction ends.
 */
export const extensionSearchPath = `select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', (
  select pg_catalog.string_agg(distinct pg_catalog.quote_ident(namespace.nspname), ', ')
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname in ('vector', 'pg_trgm', 'btree_gist', 'timescaledb')
), 'pg_temp'), true)`
