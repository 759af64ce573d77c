import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { execute } from '../statement.ts'

/** The result of work that needs locks which others would have to wait behind. */
export type Attempted<T> =
  { readonly done: true; readonly result: T; readonly attempts: number } | { readonly done: false; readonly attempts: number }

export interface ShortLockOptions {
  /** The number of attempts. Default: 10, which takes about seven seconds with the pauses. */
  attempts?: number
  signal?: AbortSignal
}

/**
 * A session that waits for a lock makes all later ones wait behind it, so it waits at most this
 * long.
 */
const lockTimeout = '100ms'

/**
 * Does work in a transaction of its own that waits at most 100 ms for any lock. If a lock is not
 * granted, everything is rolled back and tried again after a pause, which grows from 25 ms to 1.6
 * s.
 *
 * So readers and writers are blocked for 100 ms at a time plus the work itself, even if another
 * transaction keeps its locks for long.
 */
export async function withShortLocks<T>(
  db: Kysely<{}>,
  installation: Pick<Installation, 'schema'>,
  work: (trx: Kysely<{}>) => Promise<T>,
  { attempts = 10, signal }: ShortLockOptions = {},
): Promise<Attempted<T>> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      const result = await asOwner(db, installation, async (trx) => {
        await execute(trx, `set local lock_timeout = '${lockTimeout}'`)
        return work(trx)
      })
      return { done: true, result, attempts: attempt }
    } catch (error) {
      if (!lostTheLock(error)) throw error
      if (attempt >= attempts) return { done: false, attempts: attempt }
      await pause(pauseAfter(attempt), undefined, { signal })
    }
  }
}

/**
 * Executes statements that need locks, within a transaction of `withShortLocks`, without losing the
 * earlier work of the transaction if they are not granted.
 *
 * @throws the last refusal; the whole transaction may then be tried again.
 */
export async function insistingly(
  trx: Kysely<{}>,
  statements: readonly string[],
  { attempts = 5, signal }: ShortLockOptions = {},
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    await execute(trx, 'savepoint pgvantage_lock')
    try {
      for (const statement of statements) await execute(trx, statement)
      await execute(trx, 'release savepoint pgvantage_lock')
      return
    } catch (error) {
      if (!lostTheLock(error) || attempt >= attempts) throw error
      await execute(trx, 'rollback to savepoint pgvantage_lock')
      await pause(pauseAfter(attempt), undefined, { signal })
    }
  }
}

/** `lock_not_available`, and a deadlock that the server resolved by ending our statement. */
const lostTheLock = (error: unknown) => error instanceof Error && 'code' in error && (error.code === '55P03' || error.code === '40P01')

/** With a random part, so that two sessions that block each other do not continue to. */
const pauseAfter = (attempt: number) => Math.min(1_600, 25 * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2)
