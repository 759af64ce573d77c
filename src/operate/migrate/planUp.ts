import { sql, type Kysely } from 'kysely'
import { migrations } from '../../../migrations/index.ts'
import type { Migration } from '../../../migrations/migration.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { installationPlaces, placeOfInstallation } from '../../database/installation/installationPlaces.ts'
import { readInstallation, schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { InvalidInputError, SchemaVersionError, VantageError } from '../../schema/errors.ts'
import { extensionSearchPath } from '../extensions.ts'
import { installedSql } from '../installedSql.ts'
import type { MigrateOptions } from './migrateOptions.ts'
import { closeToPublic, refuseStrangers } from '../rights/closeToPublic.ts'
import { timeRung } from '../timeRung.ts'

/** The table in which the runner records the migrations, in the schema of our tables. */
export const migrationTable = 'pgvantage_migration'

/** The advisory lock of everyone who migrates any installation in the database. */
export const migrationTurn = 7620318452117001

/** The schema version a migration leads to. */
export const versionOf = (migration: Migration) => Number.parseInt(migration.name, 10)

/** The steps of `migrate up` after the extensions exist, in this order. */
export interface UpPlan {
  installation: Installation
  /** Whether nothing of ours exists yet. */
  isNew: boolean
  before: string[]
  pending: Migration[]
  after: string[]
}

/** The plan for this database, given its extensions (including those to be created). */
export async function planUp(db: Kysely<{}>, options: MigrateOptions, extensions: ReadonlySet<string>): Promise<UpPlan> {
  // Without `schema`, an existing installation is upgraded in its own schema.
  const { version = 0, ...existing } = (await readInstallation(db, options.schema)) ?? {}
  assertKnown(version)
  const installation = 'schema' in existing ? unchanged(existing, options) : await newInstallation(db, options, extensions)
  return {
    installation,
    isNew: !('schema' in existing),
    before: [
      ...(installation.schema === 'public' ? [] : [`create schema if not exists ${quoteIdentifier(installation.schema)}`]),
      extensionSearchPath,
      await refuseStrangers(installation),
      ...(await installedSql(installation.schema, extensions, 'before')),
    ],
    pending: migrations.filter((migration) => versionOf(migration) > version),
    after: [...(await installedSql(installation.schema, extensions, 'after')), await closeToPublic(installation)],
  }
}

/** Refuses a database newer than this library. */
export function assertKnown(version: number): void {
  if (version > schemaVersion) {
    throw new SchemaVersionError(
      `the database's schema is at version ${version}, this library knows ${schemaVersion}: upgrade the pgvantage package; nothing was changed`,
    )
  }
}

function unchanged(existing: Installation, options: MigrateOptions): Installation {
  for (const option of ['graphPrefix', 'embeddingDimension', 'embeddingDistance', 'embeddingType', 'knowledgeLanguage'] as const) {
    if (options[option] !== undefined && options[option] !== existing[option]) {
      throw new InvalidInputError(
        option,
        `this database was installed with ${existing[option]} and cannot be changed to ${options[option]} by a migration: install into another schema`,
      )
    }
  }
  return existing
}

async function newInstallation(db: Kysely<{}>, options: MigrateOptions, extensions: ReadonlySet<string>): Promise<Installation> {
  const installation: Installation = {
    schema: options.schema ?? 'public',
    graphPrefix: options.graphPrefix ?? 'ops',
    embeddingDimension: options.embeddingDimension ?? 1536,
    embeddingDistance: options.embeddingDistance ?? 'l2',
    embeddingType: options.embeddingType ?? 'vector',
    timeRung: await timeRung(db, extensions),
    knowledgeLanguage: options.knowledgeLanguage ?? 'english',
  }
  // Graphs are not inside a schema: two installations with one prefix would share (and drop) each
  // other's.
  for (const { schema } of (await installationPlaces(db)).filter(({ doubts }) => doubts.length === 0)) {
    const other = await readInstallation(db, schema)
    if (other?.graphPrefix === installation.graphPrefix) {
      throw new InvalidInputError(
        'graphPrefix',
        `the installation in schema ${quoteIdentifier(schema)} of this database already uses "${installation.graphPrefix}": choose another`,
      )
    }
  }
  return installation
}

/**
 * Refuses to migrate an installation that cannot be trusted, or to install into a schema that
 * belongs to someone else. It runs before anything is created: AGE 1.5 breaks a session that rolls
 * back its creation.
 */
export async function assertPlace(db: Kysely<{}>, { schema }: Pick<MigrateOptions, 'schema'>): Promise<void> {
  if ((await placeOfInstallation(db, schema)) === undefined) await assertOwnSchema(db, schema ?? 'public')
}

/**
 * The owner of a schema can create objects in it that our functions would call, so it must be the
 * current role, or a role that could act as the current one anyway.
 */
async function assertOwnSchema(db: Kysely<{}>, schema: string): Promise<void> {
  const { rows } = await sql<{ owner: string; role: string }>`
    select owner.rolname::text as owner, current_user::text as role
    from pg_catalog.pg_namespace as namespace
    join pg_catalog.pg_roles as owner on owner.oid = namespace.nspowner
    where namespace.nspname = ${schema}
      and owner.rolname not in (current_user, 'pg_database_owner') and not owner.rolsuper
      and owner.oid <> (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database())
  `.execute(db)
  const [other] = rows
  if (other === undefined) return
  throw new VantageError(
    `schema ${quoteIdentifier(schema)} belongs to ${other.owner}, who could put into it what pgvantage would run as ${other.role}`,
    { code: 'NOT_OWNER', remedy: { do: 'nameSchema', advice: `migrate as ${other.owner}, or choose another schema` } },
  )
}
