import type { Kysely } from 'kysely'

/**
 * Does the work in the transaction handed in, if it is one, else in a new one that is READ COMMITTED whatever the database's default: a statement after
 * one that waited for another writer must see what that writer has committed.
 */
export const inReadCommitted = <T>(db: Kysely<{}>, work: (trx: Kysely<{}>) => Promise<T>): Promise<T> =>
  db.isTransaction ? work(db) : db.transaction().setIsolationLevel('read committed').execute(work)
