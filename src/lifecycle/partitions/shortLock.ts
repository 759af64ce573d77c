import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { execute } from '../statement.ts'

/** What became of work that needs locks which others would have to wait behind. */
export type Attempted<T> =
  { readonly done: true; readonly result: T; readonly attempts: number } | { readonly done: false; readonly attempts: number }

export interface ShortLockOptions {
  /** How often to try. Default: 10, which with the pauses takes about seven seconds. */
  attempts?: number
  signal?: AbortSignal
}

/**
 * Who asks for a lock makes everyone behind it wait too, whether it is granted or not: so it is not
 * asked for longer than this.
 */
const lockTimeout = '100ms'

/**
 * Does work in a transaction of its own in which no lock is waited for longer than 100 ms; when one
 * is not granted, everything is rolled back and tried again after a pause, each longer than the one
 * before: 25 ms to 1.6 s.
 *
 * So readers and writers are held up for 100 ms at a time plus the work itself, however long some
 * other transaction keeps its locks.
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
 * Executes statements that ask for locks, within a transaction of `withShortLocks`, without losing
 * what the transaction has done so far when they are not granted.
 *
 * @throws the last refusal, after which the transaction as a whole may be tried again.
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

/** `lock_not_available`, and a deadlock that the server ended at our cost. */
const lostTheLock = (error: unknown) => error instanceof Error && 'code' in error && (error.code === '55P03' || error.code === '40P01')

/** Not the same twice, so that two who are in each other's way do not stay so. */
const pauseAfter = (attempt: number) => Math.min(1_600, 25 * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2)
