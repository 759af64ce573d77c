import { sql, type Kysely } from 'kysely'

/**
 * Does work in a transaction that goes on if the work fails: what it wrote is taken back, and its
 * error is thrown.
 */
export async function behindSavepoint<T>(trx: Kysely<{}>, work: () => Promise<T>): Promise<T> {
  await sql`savepoint pgvantage_writing`.execute(trx)
  let result: T
  try {
    result = await work()
  } catch (error) {
    try {
      await sql`rollback to savepoint pgvantage_writing`.execute(trx)
      await sql`release savepoint pgvantage_writing`.execute(trx)
    } catch {
      // The connection is gone, and the transaction with it.
    }
    throw error
  }
  await sql`release savepoint pgvantage_writing`.execute(trx)
  return result
}
