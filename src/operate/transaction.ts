import { CompiledQuery, sql, type Kysely, type Transaction } from 'kysely'
import { plainKysely } from '../database/plain.ts'

/** One statement as it stands. */
export const execute = (db: Kysely<{}>, statement: string) => db.executeQuery(CompiledQuery.raw(statement))

/**
 * Does the work in the transaction handed in, if it is one, else in a new one.
 *
 * The new one is READ COMMITTED whatever the database's default: who waited for the migration lock must see what the one before has committed. In a
 * caller's transaction the search path is put back afterwards.
 */
export async function inTransaction<Database, T>(db: Kysely<Database>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> {
  const plain = plainKysely(db)
  if (!isTransaction(plain)) return plain.transaction().setIsolationLevel('read committed').execute(work)
  const { rows } = await sql<{ path: string }>`select current_setting('search_path') as path`.execute(plain)
  const result = await work(plain)
  await sql`select set_config('search_path', ${rows[0]!.path}, true)`.execute(plain)
  return result
}

/** Does work that leaves nothing behind, not even a setting: in a read-only transaction, or inside a caller's behind a savepoint that is rolled back. */
export async function withoutTrace<Database, T>(db: Kysely<Database>, work: (trx: Transaction<{}>) => Promise<T>): Promise<T> {
  const plain = plainKysely(db)
  if (!isTransaction(plain)) return plain.transaction().setAccessMode('read only').execute(work)
  await execute(plain, 'savepoint pgvantage_reading')
  try {
    return await work(plain)
  } finally {
    await execute(plain, 'rollback to savepoint pgvantage_reading')
    await execute(plain, 'release savepoint pgvantage_reading')
  }
}

const isTransaction = (db: Kysely<{}>): db is Transaction<{}> => db.isTransaction
