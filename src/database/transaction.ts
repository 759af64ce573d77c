import { sql, type Kysely, type Transaction } from 'kysely'
import { VantageError } from '../schema/errors.ts'
import type { Installation } from './installation.ts'
import { plainKysely } from './plain.ts'

/** Names of settings and their values. */
export type Settings = Readonly<Record<string, string>>

/**
 * What a connection can bring along that changes how dates, numbers and names are written and read.
 */
const written: Settings = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  transform_null_equals: 'off',
  array_nulls: 'on',
}

/**
 * What writes and upkeep run under, whatever the role, the database or the caller has set. Names
 * are looked up in PostgreSQL's own schema and nowhere else: what an extension has is named with
 * its schema.
 */
export const pinned: Settings = { search_path: 'pg_catalog, pg_temp', ...written }

/**
 * The same for a statement that holds a query of the caller's: its names are looked up where the
 * caller has them looked up.
 */
export const pinnedButForNames: Settings = written

/**
 * Upkeep waits for its turn, however short a wait the role is allowed. A statement's own timeout
 * still ends it.
 */
const turns: Settings = { ...pinned, lock_timeout: '0' }

/**
 * Does the work in the transaction handed in, if it is one, else in a new one, under settings that
 * do not depend on the caller.
 *
 * The new one is READ COMMITTED whatever the database's default: a statement after one that waited
 * for another writer must see what that writer has committed. In a caller's transaction the
 * settings are put back afterwards, also when the work fails.
 *
 * @example
 * await inTransaction(scope.db, async (trx) => { await sql`insert into ...`.execute(trx) })
 */
export async function inTransaction<Database, T>(
  db: Kysely<Database>,
  work: (trx: Transaction<{}>) => Promise<T>,
  settings: Settings = pinned,
): Promise<T> {
  const plain = plainKysely(db)
  if (isTransaction(plain)) return withSettings(plain, settings, () => work(plain))
  return newTransaction(plain, 'isolation level read committed', async (trx) => {
    await set(trx, settings)
    return work(trx)
  })
}

/**
 * Does the work in a new transaction of a mode. A statement says which, since Kysely's dialect of
 * PGlite begins every transaction in the database's default mode, whatever it is asked for.
 *
 * What stopped the work is thrown, also where the connection breaks as it is rolled back.
 */
export async function newTransaction<Database, T>(
  db: Kysely<Database>,
  mode: 'isolation level read committed' | 'isolation level repeatable read' | 'read only',
  work: (trx: Transaction<Database>) => Promise<T>,
): Promise<T> {
  const stopped: unknown[] = []
  const all = async (trx: Transaction<Database>) => {
    await sql`set transaction ${sql.raw(mode)}`.execute(trx)
    return work(trx)
  }
  try {
    return await db.transaction().execute((trx) =>
      all(trx).catch((error: unknown) => {
        stopped.push(error)
        throw error
      }),
    )
  } catch (error) {
    throw stopped.length > 0 ? stopped[0] : error
  }
}

/**
 * {@link inTransaction} for what waits for its turn: who runs migrations or applies policies waits
 * for whoever does so already.
 */
export const inTurnTransaction = <Database, T>(db: Kysely<Database>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> =>
  inTransaction(db, work, turns)

/**
 * A transaction of upkeep's own, as the owner of our tables: what it makes is the owner's, and what
 * it runs has no more rights than the owner.
 *
 * @throws VantageError where the current role may not become the owner.
 */
export function asOwner<T>(
  db: Kysely<{}>,
  { schema }: Pick<Installation, 'schema'>,
  work: (trx: Transaction<{}>) => Promise<T>,
): Promise<T> {
  return inTurnTransaction(db, async (trx) => {
    await set(trx, await roleOfOwner(trx, schema))
    return work(trx)
  })
}

/**
 * The setting by which the current role becomes the owner of our tables.
 *
 * @throws VantageError (`NOT_OWNER`) where it may not; (`READ_ONLY`) where nothing can be written,
 * as on a standby.
 */
export async function roleOfOwner(trx: Kysely<{}>, schema: string): Promise<{ role: string }> {
  const { rows } = await sql<{ owner: string; role: string; may: boolean; readOnly: boolean; standby: boolean }>`
    select owner.rolname::text as owner, current_user::text as role, pg_catalog.pg_has_role(current_user, owner.oid, 'SET'::text) as may,
      pg_catalog.current_setting('transaction_read_only'::text) = 'on' as "readOnly", pg_catalog.pg_is_in_recovery() as standby
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    join pg_catalog.pg_roles as owner on owner.oid = class.relowner
    where namespace.nspname = ${schema} and class.relname = 'pgvantage_installation'
  `.execute(trx)
  const { owner, role, may, readOnly, standby } = rows[0]!
  if (readOnly) {
    throw new VantageError(
      standby
        ? 'this server is a standby, which takes no writes: connect to its primary'
        : `transactions of ${role} are read-only here (default_transaction_read_only): connect as a role whose transactions are not`,
      { code: 'READ_ONLY' },
    )
  }
  if (may) return { role: owner }
  throw new VantageError(
    `the tables in schema ${schema} belong to ${owner}, and ${role} may not act as it: connect as ${owner}, or have it granted (\`pgvantage grants --role maintainer ${role}\`)`,
    { code: 'NOT_OWNER' },
  )
}

/**
 * Does work that leaves nothing behind, not even a setting: in a read-only transaction, or inside a
 * caller's behind a savepoint that is rolled back.
 */
export async function withoutTrace<Database, T>(db: Kysely<Database>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> {
  const plain = plainKysely(db)
  if (!isTransaction(plain)) return newTransaction(plain, 'read only', work)
  await sql`savepoint pgvantage_reading`.execute(plain)
  try {
    return await work(plain)
  } finally {
    await sql`rollback to savepoint pgvantage_reading`.execute(plain)
    await sql`release savepoint pgvantage_reading`.execute(plain)
  }
}

/**
 * Does work in a transaction under settings that hold for it alone, and puts back what was set
 * before. Where the transaction itself has failed there is nothing to put back: it is rolled back,
 * or the savepoint around the work is, and the settings with it.
 */
export async function withSettings<T>(trx: Kysely<{}>, settings: Settings, work: () => Promise<T>): Promise<T> {
  const before = await currentSettings(trx, Object.keys(settings))
  await set(trx, settings)
  let result: T
  try {
    result = await work()
  } catch (error) {
    await set(trx, before).catch(() => {})
    throw error
  }
  await set(trx, before)
  return result
}

async function currentSettings(trx: Kysely<{}>, names: readonly string[]): Promise<Settings> {
  const columns = names.map((name) => sql`pg_catalog.current_setting(${sql.lit(name)}::text) as ${sql.id(name)}`)
  const { rows } = await sql<Settings>`select ${sql.join(columns)}`.execute(trx)
  return rows[0]!
}

const set = (trx: Kysely<{}>, settings: Settings) =>
  sql`select ${sql.join(Object.entries(settings).map(([name, value]) => sql`pg_catalog.set_config(${name}::text, ${value}::text, true)`))}`.execute(
    trx,
  )

const isTransaction = (db: Kysely<{}>): db is Transaction<{}> => db.isTransaction
