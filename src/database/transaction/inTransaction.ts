import { sql, type Kysely, type Transaction } from 'kysely'
import { plainKysely, type AnyKysely } from '../connection/plainKysely.ts'
import { pinned, setSettings, withSettings, type Settings } from './settings.ts'

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
export async function inTransaction<T>(db: AnyKysely, work: (trx: Transaction<{}>) => Promise<T>, settings: Settings = pinned): Promise<T> {
  const plain = plainKysely(db)
  if (isTransaction(plain)) return withSettings(plain, settings, () => work(plain))
  return newTransaction(plain, 'isolation level read committed', async (trx) => {
    await setSettings(trx, settings)
    return work(trx)
  })
}

/**
 * Does the work in a new transaction of a mode. A statement says which, since Kysely's dialect of
 * PGlite begins every transaction in the database's default mode, whatever it is asked for.
 *
 * What stopped the work is thrown, also where the connection breaks as it is rolled back.
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
 * Does work that leaves nothing behind, not even a setting: in a read-only transaction, or inside a
 * caller's behind a savepoint that is rolled back.
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
