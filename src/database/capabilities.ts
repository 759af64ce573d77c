import { sql } from 'kysely'
import type { AnyKysely } from './connection/plainKysely.ts'

/** The extensions pgvantage knows how to use. */
export const knownExtensions = ['vector', 'pg_trgm', 'btree_gist', 'timescaledb', 'age', 'hll'] as const
export type KnownExtension = (typeof knownExtensions)[number]

/** What pgvantage uses each extension for. */
export const extensionUses: Readonly<Record<KnownExtension, string>> = {
  vector: 'searches knowledge by embedding',
  pg_trgm: 'searches log patterns by parts of words',
  btree_gist: 'keeps edges of the topology from overlapping in time',
  timescaledb: 'keeps the rollup tables; without it they are partitioned',
  age: 'answers Cypher and keeps the call graph; without it graph functions read the tables',
  hll: 'counts distinct values faster; pgvantage has functions of its own for it',
}

/**
 * The schema needs these extensions: pgvector for `kb_chunk`, pg_trgm for log patterns, btree_gist
 * for the topology's exclusion constraint.
 */
export const requiredExtensions = ['vector', 'pg_trgm', 'btree_gist'] as const satisfies readonly KnownExtension[]

export interface ExtensionState {
  /** The version installed in this database, or null. */
  installed: string | null
  /** The version the server could install, or null if its files are missing. */
  available: string | null
}

export interface Capabilities {
  /** `server_version_num`: 170005 is 17.5. */
  versionNumber: number
  /** The output of `version()` up to the platform: `PostgreSQL 17.5 (Debian 17.5-1.pgdg13+1)`. */
  version: string
  /**
   * PostgreSQL compiled to WebAssembly, in this process: one connection, no background workers, no
   * preloading.
   */
  embedded: boolean
  /** The current role. */
  role: string
  superuser: boolean
  extensions: Record<KnownExtension, ExtensionState>
  /**
   * Whether `timescaledb` is in `shared_preload_libraries`; null if this role may not read that
   * setting.
   */
  timescalePreloaded: boolean | null
  /**
   * The edition of TimescaleDB: `timescale` is the community licence (everything), `apache` has no
   * jobs or compression. Null without TimescaleDB, and if it is not installed in this database and
   * the server does not show its edition.
   */
  timescaleLicence: 'timescale' | 'apache' | null
}

/**
 * What the server behind `db` can do: its version, and the extensions used by pgvantage that are
 * installed or available.
 *
 * Reads the catalog in one statement and changes nothing.
 *
 * @example
 * const { extensions } = await capabilities(db)
 * if (extensions.age.installed === null) console.log('no Cypher here')
 */
export async function capabilities(db: AnyKysely): Promise<Capabilities> {
  const { rows } = await sql<{
    version: string
    version_number: number
    role: string
    superuser: boolean
    preload: string | null
    licence: string | null
    extensions: { name: string; installed: string | null; available: string | null }[]
  }>`
    select
      version() as version,
      current_setting('server_version_num')::int4 as version_number,
      current_user::text as role,
      (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as superuser,
      (select setting from pg_catalog.pg_settings where name = 'shared_preload_libraries') as preload,
      current_setting('timescaledb.license', true) as licence,
      (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('name', known.name, 'installed', installed.extversion, 'available', available.default_version)), '[]')
        from pg_catalog.unnest(${[...knownExtensions]}::text[]) as known (name)
        left join pg_catalog.pg_extension as installed on installed.extname = known.name
        left join pg_catalog.pg_available_extensions as available on available.name = known.name
      ) as extensions
  `.execute(db.withoutPlugins())
  const row = rows[0]!
  const embedded = /emscripten|wasm/i.test(row.version)
  const found = new Map(row.extensions.map(({ name, installed, available }) => [name, { installed, available }]))
  const none: ExtensionState = { installed: null, available: null }
  const extensions = Object.fromEntries(knownExtensions.map((name) => [name, found.get(name) ?? none])) as Record<
    KnownExtension,
    ExtensionState
  >
  return {
    version: row.version.split(' on ')[0]!,
    versionNumber: row.version_number,
    embedded,
    role: row.role,
    superuser: row.superuser,
    extensions,
    timescalePreloaded: row.preload === null ? null : row.preload.split(',').some((name) => name.trim() === 'timescaledb'),
    timescaleLicence:
      extensions.timescaledb.installed === null && (extensions.timescaledb.available === null || row.licence === null)
        ? null
        : row.licence === 'timescale'
          ? 'timescale'
          : 'apache',
  }
}
