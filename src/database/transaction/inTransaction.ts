import { sql, type Kysely, type Transaction } from 'kysely'
import { plainKysely, type AnyKysely } from '../connection/plainKysely.ts'
import { pinned, setSettings, withSettings, type Settings } from './settings.ts'

/**
 * Does the work in the given transaction, if it is one, otherwise in a new one, with settings that
 * do not depend on the caller.
 *
 * A new transaction is READ COMMITTED, regardless of the database's default: a statement after one
 * that waited for another writer must see what that writer committed. In a caller's transaction the
 * settings are restored afterwards, also if the work fails.
 *
 * @example
 * await inTransaction(scope.db, async (trx) => { await sql`insert into ...`.execute(trx) })
 */
export async function inTransaction<T>(db: AnyKysely, work: (trx: Transaction<{}>) => Promise<T>, settings: Settings = pinned): Promise<T> {
  const plain = plainKysely(db)
  if (isTransaction(plain)) return withSettings(plain, settings, () => work(plain))
  return newTransaction(plain, 'isolation level read committed', async (trx) => {
    await setSettings(trx, settings)
    return work(trx)
  })
}

/**
 * Does the work in a new transaction with a mode. A statement sets the mode, since Kysely's dialect
 * for PGlite begins every transaction in the database's default mode.
 *
 * It throws the error that stopped the work, even if the connection breaks during the rollback.
 */
export async function newTransaction<T>(
  db: Kysely<{}>,
  mode: 'isolation level read committed' | 'isolation level repeatable read' | 'read only',
  work: (trx: Transaction<{}>) => Promise<T>,
): Promise<T> {
  const stopped: unknown[] = []
  const all = async (trx: Transaction<{}>) => {
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
 * Does work that leaves no changes, not even settings: in a read-only transaction, or, inside a
 * caller's transaction, behind a savepoint that is rolled back.
 */
export async function withoutTrace<T>(db: AnyKysely, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> {
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

const isTransaction = (db: Kysely<{}>): db is Transaction<{}> => db.isTransaction
