import { setTimeout } from 'node:timers/promises'
import { isPassing } from './sqlState.ts'

/** How work is repeated, and for how long. */
export interface Patience {
  /** Milliseconds from the first attempt; `Infinity` for ever. */
  retryFor: number
  /** Ends a wait. */
  signal?: AbortSignal | undefined
  /** Called before each other attempt, with the error that stopped the one before. */
  onRetry?: ((error: unknown) => void) | undefined
}

const firstPause = 100
const longestPause = 5_000

/**
 * Does work that leaves the same when it is done again, and again while the error may pass: a
 * serialization failure, a deadlock, a lost or refused connection ({@link isPassing}). The waits
 * are random, up to 100 ms, which doubles up to 5 s.
 *
 * @param failure makes the error that is thrown of the last one and the number of attempts.
 * @throws what `failure` makes; the signal's reason if aborted.
 * @example
 * await patiently(() => writeRollups(scope, window), { retryFor: 60_000 })
 */
export async function patiently<T>(
  work: () => Promise<T>,
  { retryFor, signal, onRetry }: Patience,
  failure: (error: unknown, attempts: number) => unknown = (error) => error,
): Promise<T> {
  const until = performance.now() + retryFor
  for (let attempt = 1; ; attempt++) {
    const outcome = await work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    if ('value' in outcome) return outcome.value
    signal?.throwIfAborted()
    // All of the wait is random: those that were stopped at one time come back apart.
    const pause = Math.random() * Math.min(longestPause, firstPause * 2 ** (attempt - 1))
    if (!isPassing(outcome.error) || performance.now() + pause > until) throw failure(outcome.error, attempt)
    onRetry?.(outcome.error)
    await setTimeout(pause, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}
