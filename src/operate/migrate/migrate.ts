import type { Transaction } from 'kysely'
import { z } from 'zod'
import { migrations } from '../../../migrations/index.ts'
import { explainAgeCache } from '../../database/explainAgeCache.ts'
import { assertReadCommitted } from '../../database/transaction/isolation.ts'
import { capabilities, type KnownExtension } from '../../database/capabilities.ts'
import { readInstallation, schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { roleOfOwner } from '../../database/transaction/asOwner.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { patient, pinned, pinnedButForNames, withSettings } from '../../database/transaction/settings.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { execute } from '../../lifecycle/statement.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { InvalidInputError, SchemaVersionError } from '../../schema/errors.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import { createExtensions, extensionSearchPath, installedExtensions } from '../extensions.ts'
import { migrateOptions, type MigrateOptions } from './migrateOptions.ts'
import { assertKnown, assertPlace, migrationTurn, planUp, versionOf, type UpPlan } from './planUp.ts'
import { runMigrations } from './runMigrations.ts'
import { uninstall } from './uninstall.ts'
import type { AnyKysely } from '../../database/connection/plainKysely.ts'

export interface MigrateResult {
  /** The names of the migrations that ran, in order. */
  ran: string[]
  /** The extensions it created: those that the server offers and the database did not have. */
  extensions: KnownExtension[]
  /** The schema version of the database now; 0 after a complete `down`. */
  version: number
  /**
   * What is missing and why, one sentence each: for example, an extension that could not be
   * created.
   */
  notices: string[]
  installation: Installation
}

/**
 * Brings the schema up to this library's version: extensions, tables, and the functions of `sql/`,
 * in one transaction.
 *
 * | | |
 * |---|---|
 * | a failure | leaves the database as it was |
 * | several processes at once | wait on an advisory lock; the later ones find nothing to do |
 * | options | for the first run; later runs may repeat them but not change them |
 * | `db` is a transaction | it works inside it, and is committed or rolled back with it |
 *
 * After a failure that rolled back the creation of AGE, use another connection: AGE 1.5 breaks the
 * session that loaded it.
 *
 * @throws MissingCapabilityError if pgvector, pg_trgm or btree_gist is not available, or cannot be
 * created; or if this role may not use AGE.
 * @throws SchemaVersionError if the database is newer than this library.
 * @throws VantageError (`NOT_OWNER`) if the tables, or their schema, belong to a role that the
 * current one may not act as.
 * @throws InvalidInputError if an option is malformed, differs from the installation's, or names
 * the graph prefix of another installation in this database; or if `db` is a REPEATABLE READ or
 * SERIALIZABLE transaction.
 * @throws VantageError (`MIGRATION_FAILED`) if a statement fails, with the server's error as its
 * cause.
 * @example
 * await migrateUp(db, { schema: 'observability', embeddingDimension: 384, embeddingDistance: 'cosine' })
 */
export async function migrateUp(db: AnyKysely, options: MigrateOptions = {}): Promise<MigrateResult> {
  const { signal, onWait, ...wanted } = parseOptions(migrateOptions, options)
  const migrate = async (trx: Transaction<{}>, plan: UpPlan): Promise<Omit<MigrateResult, 'extensions' | 'notices'>> => {
    for (const statement of plan.before) await execute(trx, statement)
    const ran = await runMigrations(trx, plan.installation, 'up', plan.pending, signal)
    for (const statement of plan.after) {
      signal?.throwIfAborted()
      await execute(trx, statement)
    }
    return { ran, version: schemaVersion, installation: plan.installation }
  }
  const extendAndMigrate = async (trx: Transaction<{}>) => {
    signal?.throwIfAborted()
    await takeTurn(trx, migrationTurn, onWait)
    await assertPlace(trx, wanted)
    // An extension is created in the caller's search path; everything of ours with a fixed one.
    const { created: extensions, notices } = await createExtensions(trx)
    const result = await withSettings(trx, { search_path: pinned['search_path']! }, async () => {
      const plan = await planUp(trx, wanted, new Set(installedExtensions(await capabilities(trx))))
      if (plan.isNew) return migrate(trx, plan)
      return withSettings(trx, await roleOfOwner(trx, plan.installation.schema), () => migrate(trx, plan))
    })
    return { ...result, extensions, notices }
  }
  await assertReadCommitted(db, 'migrateUp')
  return inTransaction(db, extendAndMigrate, patient(pinnedButForNames))
}

export interface MigrateDownOptions extends Pick<MigrateOptions, 'schema' | 'signal' | 'onWait'> {
  /** The version to stop at. Default: 0, which removes everything. */
  toVersion?: number
}

const downOptions = schemaOption.extend({
  toVersion: z.number().optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onWait: z.custom<MigrateDownOptions['onWait']>().optional(),
})

/**
 * Removes what `migrateUp` created, with all data and the tenants' graphs, in one transaction or in
 * the caller's. Extensions stay, and so does a schema created for the tables.
 *
 * @throws SchemaVersionError if nothing is installed, or the database is newer than this library.
 * @throws InvalidInputError if `toVersion` is not a version that the database has passed, or `db`
 * is a REPEATABLE READ or SERIALIZABLE transaction.
 * @example
 * await migrateDown(db, { schema: 'observability' })
 */
export async function migrateDown(db: AnyKysely, options: MigrateDownOptions = {}): Promise<MigrateResult> {
  const { toVersion = 0, schema, signal, onWait } = parseOptions(downOptions, options)
  await assertReadCommitted(db, 'migrateDown')
  const takeDown = async (trx: Transaction<{}>): Promise<MigrateResult> => {
    signal?.throwIfAborted()
    await takeTurn(trx, migrationTurn, onWait)
    const found = await readInstallation(trx, schema)
    if (found === undefined) throw new SchemaVersionError('pgvantage is not installed here: there is nothing to remove')
    const { version, ...installation } = found
    assertKnown(version)
    if (!Number.isInteger(toVersion) || toVersion < 0 || toVersion > version) {
      throw new InvalidInputError('toVersion', `must be a schema version from 0 to ${version}, got ${preview(toVersion)}`)
    }
    await execute(trx, extensionSearchPath)
    const undone = migrations.filter((migration) => versionOf(migration) > toVersion && versionOf(migration) <= version)
    const leftovers = toVersion === 0 ? await uninstall(trx, installation) : []
    const ran = await withSettings(trx, await roleOfOwner(trx, installation.schema), () =>
      runMigrations(trx, installation, 'down', undone, signal),
    )
    for (const statement of leftovers) {
      signal?.throwIfAborted()
      await execute(trx, statement).catch((error: unknown) => {
        throw explainAgeCache(error)
      })
    }
    return { ran, extensions: [], version: toVersion, notices: [], installation }
  }
  return inTransaction(db, takeDown, patient(pinned))
}
