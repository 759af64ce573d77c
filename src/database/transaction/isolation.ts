import { sql } from 'kysely'
import { InvalidInputError } from '../../schema/errors.ts'
import type { AnyKysely } from '../connection/plainKysely.ts'

/**
 * Refuses a caller's REPEATABLE READ or SERIALIZABLE transaction, for work that waits for other
 * transactions and must then see what they committed. Such a transaction only sees what was there
 * when it began, so it would write existing rows again.
 *
 * Other work is allowed at every level: the server ends a transaction that conflicts with another
 * one with a serialization failure (40001).
 *
 * @param what the name of the function.
 * @throws InvalidInputError naming it, and what to do.
 */
export async function assertReadCommitted(db: AnyKysely, what: string): Promise<void> {
  // Our own transactions are READ COMMITTED.
  if (!db.isTransaction) return
  const { rows } = await sql<{ isolation: string }>`select pg_catalog.current_setting('transaction_isolation') as isolation`.execute(db)
  refuseOldSnapshot(rows[0]!.isolation, what)
}

/** The same for a known level. */
export function refuseOldSnapshot(isolation: string, what: string): void {
  if (isolation === 'read committed' || isolation === 'read uncommitted') return
  throw new InvalidInputError(
    'db',
    `must not be a ${isolation.toUpperCase()} transaction, which does not see what others write while ${what} waits for its turn: begin it as READ COMMITTED, or pass the connection itself; nothing was written`,
  )
}
