import { fileURLToPath } from 'node:url'
import { CompiledQuery, sql, type Transaction } from 'kysely'
import { runner, type MigrationBuilder } from 'node-pg-migrate'
import type { ClientBase } from 'pg'
import { migrations } from '../../../migrations/index.ts'
import type { Migration } from '../../../migrations/migration.ts'
import { explainAgeCache } from '../../database/explainAgeCache.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import type { Installation } from '../../database/installation/installation.ts'
import { VantageError } from '../../schema/errors.ts'
import { migrationTable } from './planUp.ts'

/**
 * Runs migrations in the given transaction, in the order of their direction, and records them.
 *
 * @returns the names of those that ran.
 * @throws VantageError naming the migration that failed; the driver's error is its cause.
 */
export async function runMigrations(
  trx: Transaction<{}>,
  installation: Installation,
  direction: 'up' | 'down',
  pending: readonly Migration[],
  signal?: AbortSignal,
): Promise<string[]> {
  const byName = new Map(migrations.map((migration) => [migration.name, migration]))
  let running: string | undefined
  const load = (path: string) => {
    const id = path.replace(/^.*[\\/]/, '').replace(/\.[tj]s$/, '')
    const migration = byName.get(id)
    if (migration === undefined) throw new VantageError(`the file migrations/${id} is not in the list of migrations`)
    const action = (statements: (installation: Installation) => string[]) => (pgm: MigrationBuilder) => {
      running = id
      // The transaction is ours, and contains the lock and the migrations.
      pgm.noTransaction()
      for (const statement of statements(installation)) pgm.sql(statement)
    }
    return { id, filePaths: [path], actions: { up: action(migration.up), down: action(migration.down) } }
  }
  try {
    const units = await runner({
      dbClient: runnerClient(trx, installation.schema, signal),
      dir: fileURLToPath(new URL('../../../migrations', import.meta.url)),
      ignorePattern: '(?!\\d{4}_\\w+\\.[tj]s$).*',
      migrationLoaderStrategies: [{ extensions: ['.ts', '.js'], loader: async (paths) => paths.map(load) }],
      migrationsTable: migrationTable,
      migrationsSchema: installation.schema,
      direction,
      count: direction === 'up' ? Number.POSITIVE_INFINITY : pending.length,
      noLock: true,
      singleTransaction: false,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    })
    if (direction === 'up' && units.length > 0) await recordInUtc(trx, installation)
    return units.map((unit) => unit.name)
  } catch (cause) {
    // The runner wraps the abort in an error of its own.
    if (signal?.aborted) throw signal.reason
    if (cause instanceof VantageError) throw cause
    const explained = explainAgeCache(cause)
    if (explained !== cause) throw explained
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
    throw new VantageError(
      `migrate ${direction} failed${running === undefined ? '' : ` in ${running}`}: ${reason}; everything was rolled back`,
      { code: 'MIGRATION_FAILED', cause },
    )
  }
}

/**
 * The runner records the session's local time without a zone, which another session would read as
 * another moment.
 */
const recordInUtc = (trx: Transaction<{}>, installation: Installation) =>
  sql`
    update ${sql.id(installation.schema, migrationTable)} set run_on = now() at time zone 'UTC' where run_on = localtimestamp
  `.execute(trx)

/**
 * The part of pg's client that the runner uses, over a Kysely transaction, so that it runs on any
 * connection that Kysely supports.
 *
 * The statements that record migrations contain the schema's name between quotes, unescaped; here a
 * quote inside it is doubled. The blank before the name distinguishes them from the runner's other
 * statements, which escape it already.
 */
function runnerClient(trx: Transaction<{}>, schema: string, signal?: AbortSignal): ClientBase {
  const query = async (statement: string | { text: string; values?: unknown[] }, values: unknown[] = []) => {
    signal?.throwIfAborted()
    const { text, values: own = values } = typeof statement === 'string' ? { text: statement } : statement
    const exact = text.replaceAll(` "${schema}".`, () => ` ${quoteIdentifier(schema)}.`)
    const { rows } = await trx.executeQuery(CompiledQuery.raw(exact, own))
    return { rows }
  }
  return { query } as Partial<ClientBase> as ClientBase
}
