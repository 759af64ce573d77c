import { fileURLToPath } from 'node:url'
import { CompiledQuery, sql, Transaction, type Kysely } from 'kysely'
import { runner, type MigrationBuilder } from 'node-pg-migrate'
import type { ClientBase } from 'pg'
import { migrations } from '../../migrations/index.ts'
import type { Migration } from '../../migrations/migration.ts'
import { capabilities, knownExtensions, requiredExtensions, type Capabilities, type KnownExtension } from '../database/capabilities.ts'
import { quoteIdentifier } from '../database/identifier.ts'
import { qualified, readInstallation, schemaVersion, type Installation } from '../database/installation.ts'
import { plainKysely } from '../database/plain.ts'
import { InvalidInputError, MissingCapabilityError, SchemaVersionError, VantageError } from '../schema/errors.ts'
import { parse } from '../schema/parse.ts'
import { installedSql } from './installedSql.ts'
import { migrateOptions, type MigrateOptions } from './migrateOptions.ts'

export const migrationTable = 'pgvantage_migration'

/** Taken for the length of the transaction, so it also holds through a pooler that hands out a connection per transaction. */
const migrationLock = 7_620_318_452_117_001n

export interface MigrateResult {
  /** The names of the migrations that ran, in the order they ran. */
  ran: string[]
  /** The schema version the database is at now; 0 after a complete `down`. */
  version: number
  /** What was done without and why, one sentence each: an extension that could not be created, for instance. */
  notices: string[]
  installation: Installation
}

/**
 * Brings the schema up to this library's version: extensions, tables, and the functions of `sql/`, in one transaction.
 *
 * All or nothing: after a failure the database is as it was. Run it from as many places at once as you like; they queue on an advisory lock and the
 * later ones find nothing to do. The options are for the first run; later ones may repeat them but not change them.
 *
 * @throws MissingCapabilityError when pgvector, pg_trgm or btree_gist can neither be found nor created.
 * @throws SchemaVersionError when the database is newer than this library.
 * @throws InvalidInputError when an option is malformed or differs from what the database was installed with.
 * @example
 * await migrateUp(db, { schema: 'observability', embeddingDimension: 384, embeddingDistance: 'cosine' })
 */
export async function migrateUp<Database>(db: Kysely<Database>, options: MigrateOptions = {}): Promise<MigrateResult> {
  const wanted = parse(migrateOptions, options, 'options')
  return inTransaction(db, async (trx) => {
    await lock(trx)
    const notices = await createExtensions(trx)
    const plan = await planUp(trx, wanted)
    for (const statement of plan.before) await execute(trx, statement)
    const ran = await run(trx, plan.installation, 'up', plan.pending, options.signal)
    for (const statement of plan.after) {
      options.signal?.throwIfAborted()
      await execute(trx, statement)
    }
    return { ran, version: schemaVersion, notices, installation: plan.installation }
  })
}

/**
 * Takes the schema down again: everything `migrateUp` made is dropped, with the data in it. Extensions stay, as does a schema made for the tables.
 *
 * @param options `to` is the version to stop at (0, the default, removes everything).
 * @throws InvalidInputError when `to` is above the database's version.
 */
export async function migrateDown<Database>(
  db: Kysely<Database>,
  options: Pick<MigrateOptions, 'schema' | 'signal'> & { to?: number } = {},
): Promise<MigrateResult> {
  const { to = 0, schema, signal } = options
  return inTransaction(db, async (trx) => {
    await lock(trx)
    const installation = await readInstallation(trx, schema)
    if (installation === undefined) throw new SchemaVersionError('pgvantage is not installed here: there is nothing to take down')
    assertKnown(installation.version)
    if (!Number.isInteger(to) || to < 0 || to > installation.version) {
      throw new InvalidInputError('to', `must be a schema version from 0 to ${installation.version}, got ${to}`)
    }
    const undone = migrations.filter((migration) => versionOf(migration) > to && versionOf(migration) <= installation.version)
    if (to === 0) for (const statement of await uninstall(trx, installation)) await execute(trx, statement)
    const ran = await run(trx, installation, 'down', undone, signal)
    if (to === 0) await execute(trx, `drop table ${qualified(installation, migrationTable)}`)
    return { ran, version: to, notices: [], installation }
  })
}

export interface MigrateStatus {
  installed: boolean
  /** 0 where nothing is installed. */
  version: number
  libraryVersion: number
  applied: { name: string; ranAt: Date }[]
  pending: string[]
  installation: Installation | null
}

/** Which migrations have run and which would. Reads only. */
export async function migrateStatus<Database>(
  db: Kysely<Database>,
  { schema }: Pick<MigrateOptions, 'schema'> = {},
): Promise<MigrateStatus> {
  const installation = await readInstallation(db, schema)
  const applied =
    installation === undefined
      ? []
      : (
          await sql<{ name: string; ranAt: Date }>`
            select name, run_on at time zone current_setting('timezone') as "ranAt" from ${sql.id(installation.schema, migrationTable)} order by name
          `.execute(db.withoutPlugins())
        ).rows
  const version = installation?.version ?? 0
  return {
    installed: installation !== undefined,
    version,
    libraryVersion: schemaVersion,
    applied,
    pending: migrations.filter((migration) => versionOf(migration) > version).map((migration) => migration.name),
    installation: installation ?? null,
  }
}

export interface MigratePlan {
  installation: Installation
  /** Each pending migration with its statements. */
  migrations: { name: string; statements: string[] }[]
  /** The whole as one script in one transaction, with the records that make `migrate up` find nothing left to do. */
  sql: string
}

/**
 * What `migrateUp` would do, as SQL; changes nothing. `sql` is a script a team with its own migration tool can commit.
 *
 * @throws as `migrateUp`, except that an extension that is missing but can be created is part of the plan.
 */
export async function migratePlan<Database>(db: Kysely<Database>, options: MigrateOptions = {}): Promise<MigratePlan> {
  const wanted = parse(migrateOptions, options, 'options')
  const plain = plainKysely(db)
  const server = await capabilities(plain)
  const extensions = extensionsToCreate(server)
  const present = new Set([...installedExtensions(server), ...extensions])
  const plan = await planUp(plain, wanted, present)
  const steps = plan.pending.map((migration) => ({ name: migration.name, statements: migration.up(plan.installation) }))
  const table = qualified(plan.installation, migrationTable)
  const statements = [
    `select pg_advisory_xact_lock(${migrationLock})`,
    ...extensions.map((name) => `create extension if not exists ${name}`),
    ...plan.before,
    `create table if not exists ${table} (id serial primary key, name varchar(255) not null, run_on timestamp not null)`,
    ...steps.flatMap((step) => [...step.statements, `insert into ${table} (name, run_on) values ('${step.name}', now())`]),
    ...plan.after,
  ]
  return {
    installation: plan.installation,
    migrations: steps,
    sql: `begin;\n\n${statements.map((statement) => `${statement};\n`).join('\n')}\ncommit;\n`,
  }
}

const versionOf = (migration: Migration) => Number.parseInt(migration.name, 10)

const installedExtensions = ({ extensions }: Capabilities): KnownExtension[] =>
  Object.entries(extensions).flatMap(([name, state]) => (state.installed === null ? [] : [name as KnownExtension]))

/** TimescaleDB ends the connection when it is created without being preloaded, so it is tried only where that cannot happen. */
const canCreate = (server: Capabilities, name: KnownExtension) => {
  const { installed, available } = server.extensions[name]
  return installed === null && available !== null && (name !== 'timescaledb' || server.embedded || server.timescalePreloaded === true)
}

const extensionsToCreate = (server: Capabilities): KnownExtension[] => {
  for (const name of requiredExtensions) {
    const { installed, available } = server.extensions[name]
    if (installed === null && available === null) {
      throw new MissingCapabilityError(
        `the server has no extension ${name}, which the schema needs: install its package (Debian: postgresql-NN-pgvector, postgresql-contrib) or choose a server that offers it`,
      )
    }
  }
  return Object.keys(server.extensions).filter((name): name is KnownExtension => canCreate(server, name as KnownExtension))
}

/** Creates what can be; an optional one that fails is a notice, a required one an error. */
async function createExtensions(trx: Kysely<{}>): Promise<string[]> {
  const notices: string[] = []
  const server = await capabilities(trx)
  const required: readonly string[] = requiredExtensions
  for (const name of extensionsToCreate(server)) {
    await execute(trx, 'savepoint extension')
    try {
      await execute(trx, `create extension if not exists ${name}`)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      if (required.includes(name)) {
        throw new MissingCapabilityError(
          `extension ${name} could not be created (${reason}): have a superuser run \`create extension ${name}\``,
          { cause },
        )
      }
      await execute(trx, 'rollback to savepoint extension')
      notices.push(`extension ${name} is available but could not be created (${reason}); pgvantage works without it`)
    }
    await execute(trx, 'release savepoint extension')
  }
  const { timescaledb } = server.extensions
  if (timescaledb.installed === null && timescaledb.available !== null && !canCreate(server, 'timescaledb')) {
    notices.push(
      `timescaledb is available but not known to be in shared_preload_libraries: the rollup tables become native partitions. To have hypertables, add it there, restart, and install into a fresh schema`,
    )
  }
  return notices
}

interface UpPlan {
  installation: Installation
  before: string[]
  pending: Migration[]
  after: string[]
}

async function planUp(db: Kysely<{}>, options: MigrateOptions, extensions?: ReadonlySet<string>): Promise<UpPlan> {
  const present = extensions ?? new Set<string>(installedExtensions(await capabilities(db)))
  // Without a schema said, an installation that is there is brought up wherever it is.
  const existing = await readInstallation(db, options.schema)
  if (existing !== undefined) {
    assertKnown(existing.version)
    for (const option of ['graphPrefix', 'embeddingDimension', 'embeddingDistance'] as const) {
      if (options[option] !== undefined && options[option] !== existing[option]) {
        throw new InvalidInputError(
          option,
          `this database was installed with ${existing[option]} and cannot be changed to ${options[option]} by a migration: install into another schema`,
        )
      }
    }
  }
  const installation: Installation = existing ?? {
    schema: options.schema ?? 'public',
    graphPrefix: options.graphPrefix ?? 'ops',
    embeddingDimension: options.embeddingDimension ?? 1536,
    embeddingDistance: options.embeddingDistance ?? 'l2',
    timeRung: present.has('timescaledb') ? 'timescaledb' : 'native',
  }
  return {
    installation,
    before: [
      ...(installation.schema === 'public' ? [] : [`create schema if not exists ${quoteIdentifier(installation.schema)}`]),
      extensionSearchPath,
    ],
    pending: migrations.filter((migration) => versionOf(migration) > (existing?.version ?? 0)),
    after: await installedSql(installation.schema, present),
  }
}

/** Operator classes and functions of extensions are found wherever the extensions were put. Lasts until the transaction ends. */
const extensionSearchPath = `select set_config('search_path', (
  select string_agg(distinct quote_ident(namespace.nspname), ', ') || ', ' || current_setting('search_path')
  from pg_catalog.pg_extension as extension
  join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
  where extension.extname in ('vector', 'pg_trgm', 'btree_gist', 'timescaledb')
), true)`

function assertKnown(version: number): void {
  if (version > schemaVersion) {
    throw new SchemaVersionError(
      `the database's schema is at version ${version}, this library knows ${schemaVersion}: upgrade the pgvantage package; nothing was changed`,
    )
  }
}

/** Drops what `sql/` installed and the graphs of our tenants: all of it is ours by name and schema. */
async function uninstall(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const files = (await installedSql(installation.schema, new Set(knownExtensions))).join('\n')
  const names = (kind: string) =>
    [...files.matchAll(new RegExp(`create (?:or replace )?${kind} "(?:[^"]|"")*"\\.(\\w+)`, 'gi'))].map((match) => match[1]!)
  const installed = await sql<{ statement: string }>`
    select format('drop %s if exists %s cascade', case routine.prokind when 'a' then 'aggregate' else 'function' end, routine.oid::regprocedure) as statement
    from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as namespace on namespace.oid = routine.pronamespace
    where namespace.nspname = ${installation.schema} and routine.proname = any(${[...names('function'), ...names('aggregate')]}::text[])
    union all
    select format('drop domain if exists %s cascade', type.oid::regtype)
    from pg_catalog.pg_type as type
    join pg_catalog.pg_namespace as namespace on namespace.oid = type.typnamespace
    where namespace.nspname = ${installation.schema} and type.typname = any(${names('domain')}::text[])
  `.execute(db)
  const { extensions, superuser } = await capabilities(db)
  const graphs =
    extensions.age.installed === null
      ? []
      : (
          await sql<{ statement: string }>`
            select format('select ag_catalog.drop_graph(%L, true)', graph.name) as statement
            from ag_catalog.ag_graph as graph
            where graph.name::text in (
              select ${installation.graphPrefix} || '_' || tenant_id from ${sql.id(installation.schema, 'dim_tenant')}
            )
            order by graph.name
          `.execute(db)
        ).rows
  const withAge = [
    ...(superuser ? [`load 'age'`] : []),
    `select set_config('search_path', 'ag_catalog, ' || current_setting('search_path'), true)`,
  ]
  return [...(graphs.length > 0 ? withAge : []), ...graphs.map((row) => row.statement), ...installed.rows.map((row) => row.statement)]
}

async function run(
  trx: Transaction<{}>,
  installation: Installation,
  direction: 'up' | 'down',
  pending: Migration[],
  signal?: AbortSignal,
): Promise<string[]> {
  const byName = new Map(migrations.map((migration) => [migration.name, migration]))
  const log: string[] = []
  const units = await runner({
    dbClient: runnerClient(trx, signal),
    dir: fileURLToPath(new URL('../../migrations', import.meta.url)),
    ignorePattern: '(?!\\d{4}_\\w+\\.[tj]s$).*',
    migrationLoaderStrategies: [
      {
        extensions: ['.ts', '.js'],
        loader: async (paths) =>
          paths.map((path) => {
            const id = path.replace(/^.*[\\/]/, '').replace(/\.[tj]s$/, '')
            const migration = byName.get(id)
            if (migration === undefined) throw new VantageError(`the file migrations/${id} is not in the list of migrations`)
            const action = (statements: (installation: Installation) => string[]) => (pgm: MigrationBuilder) => {
              // The transaction is ours, so that the lock and the migrations stand in the same one.
              pgm.noTransaction()
              for (const statement of statements(installation)) pgm.sql(statement)
            }
            return { id, filePaths: [path], actions: { up: action(migration.up), down: action(migration.down) } }
          }),
      },
    ],
    migrationsTable: migrationTable,
    migrationsSchema: installation.schema,
    direction,
    count: direction === 'up' ? Number.POSITIVE_INFINITY : pending.length,
    noLock: true,
    singleTransaction: false,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: (message) => log.push(message) },
  })
  return units.map((unit) => unit.name)
}

/** The little of pg's client that the runner uses, over a Kysely transaction: so it runs on any connection Kysely runs on. */
function runnerClient(trx: Transaction<{}>, signal?: AbortSignal): ClientBase {
  const query = async (text: string | { text: string; values?: unknown[] }, values: unknown[] = []) => {
    signal?.throwIfAborted()
    const { rows } = await trx.executeQuery(
      typeof text === 'string' ? CompiledQuery.raw(text, values) : CompiledQuery.raw(text.text, text.values ?? values),
    )
    return { rows }
  }
  return { query } as Partial<ClientBase> as ClientBase
}

const lock = (trx: Kysely<{}>) => execute(trx, `select pg_advisory_xact_lock(${migrationLock})`)

const execute = (db: Kysely<{}>, statement: string) => db.executeQuery(CompiledQuery.raw(statement))

/** In the transaction handed in, if it is one; else in a new one. */
function inTransaction<Database, T>(db: Kysely<Database>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> {
  const plain = plainKysely(db)
  return plain instanceof Transaction ? work(plain) : plain.transaction().execute(work)
}
