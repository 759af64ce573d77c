import { sql } from 'kysely'
import { InvalidInputError } from '../../schema/errors.ts'
import type { AnyKysely } from '../connection/plainKysely.ts'

/**
 * Refuses a caller's transaction that is REPEATABLE READ or SERIALIZABLE, for work that waits for
 * others and must then see what they have committed: such a transaction sees what was there when it
 * began, so it would write again what is there already.
 *
 * What needs no such look works at every level: there the server ends a transaction that another
 * one got ahead of, with its serialization failure (40001).
 *
 * @param what the function, as the caller knows it.
 * @throws InvalidInputError naming it, and what to do.
 */
export async function assertReadCommitted(db: AnyKysely, what: string): Promise<void> {
  // A transaction of our own is begun as READ COMMITTED.
  if (!db.isTransaction) return
  const { rows } = await sql<{ isolation: string }>`select pg_catalog.current_setting('transaction_isolation') as isolation`.execute(db)
  refuseOldSnapshot(rows[0]!.isolation, what)
}

/** The same, where the level is known. */
export function refuseOldSnapshot(isolation: string, what: string): void {
  if (isolation === 'read committed' || isolation === 'read uncommitted') return
  throw new InvalidInputError(
    'db',
    `must not be a ${isolation.toUpperCase()} transaction, which does not see what others write while ${what} waits for its turn: begin it as READ COMMITTED, or hand in the connection itself; nothing was written`,
  )
}
