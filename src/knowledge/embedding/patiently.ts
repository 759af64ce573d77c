import { VantageError } from '../../schema/errors.ts'
import { failureOf, type Failure } from './failure.ts'
import { pause } from './waiting.ts'

/** A call that failed and will be repeated. */
export interface FailedAttempt {
  /** Which attempt failed, from 1. */
  attempt: number
  /** The wait before it is repeated, in milliseconds. */
  waitMs: number
  /** The wait that the provider asks for; undefined if it does not say. */
  retryAfterMs: number | undefined
  error: unknown
}

export interface Patience {
  /** The name of the provider in errors: `the embedding provider`. */
  provider: string
  /**
   * The code of the thrown errors. An error that already has it is this library's own, and is
   * passed on.
   */
  code: string
  /** How often a call is made while the provider is busy. Default: 6, in about half a minute. */
  attempts?: number | undefined
  /** How often a call is made after other failures; at most `attempts`. Default: 3. */
  attemptsOfFault?: number
  /** The longest wait before another attempt, in milliseconds. Default: 60,000. */
  maxWaitMs?: number | undefined
  signal: AbortSignal
  onFailed?: (failed: FailedAttempt) => void
}

/**
 * Calls a provider, and repeats the call while the provider is busy and after other failures.
 * Returns the answer, or the failure if the input may be the cause: refused, or failed on each
 * attempt.
 *
 * The wait between attempts is 1 s, doubled each time (a random half of it less), or the time that
 * the provider asks for.
 *
 * @throws VantageError of the code, with the provider's error as `cause`, if the call cannot work,
 * the provider stays busy, or it asks for a wait longer than `maxWaitMs`.
 */
export async function patiently<Answer>(
  call: () => Promise<Answer>,
  { provider, code, attempts = 6, attemptsOfFault = 3, maxWaitMs = 60_000, signal, onFailed }: Patience,
): Promise<{ answer: Answer } | { failure: Failure; error: unknown }> {
  const failed = (message: string, cause: unknown) => new VantageError(`${provider} ${message}`, { code, cause })
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { answer: await call() }
    } catch (error) {
      if (signal.aborted || (error instanceof VantageError && error.code === code)) throw error
      const failure = failureOf(error)
      const { kind, message, retryAfterMs } = failure
      if (kind === 'final') throw failed(`does not take the call: ${message}. Check its URL, key and model`, error)
      if (kind === 'refused') return { failure, error }
      if (kind === 'fault' && attempt >= Math.min(attempts, attemptsOfFault)) return { failure, error }
      if (attempt >= attempts) throw failed(`stayed busy for ${attempts} attempts: ${message}`, error)
      if (retryAfterMs !== undefined && retryAfterMs > maxWaitMs)
        throw failed(
          `asks to wait ${Math.ceil(retryAfterMs / 1000)} s, longer than the ${maxWaitMs / 1000} s waited at most: ${message}`,
          error,
        )
      const waitMs = retryAfterMs ?? Math.min(maxWaitMs, 1000 * 2 ** (attempt - 1)) * (1 - Math.random() / 2)
      onFailed?.({ attempt, waitMs, retryAfterMs, error })
      await pause(waitMs, signal)
    }
  }
}
