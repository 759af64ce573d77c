import { VantageError } from '../../schema/errors.ts'
import { failureOf, type Failure } from './failure.ts'
import { pause } from './waiting.ts'

/** A call that failed and is made again. */
export interface FailedAttempt {
  /** Which attempt failed, from 1. */
  attempt: number
  /** How long from now it is made again, in milliseconds. */
  waitMs: number
  /** How long the provider asks to wait; undefined where it does not say. */
  retryAfterMs: number | undefined
  error: unknown
}

export interface Patience {
  /** Who is called, as errors name it: `the embedding provider`. */
  provider: string
  /** The code of the errors that are thrown; one with it is not looked into, for it is ours. */
  code: string
  /** How often a call is made where the provider is busy. Default: 6, in about half a minute. */
  attempts?: number | undefined
  /** How often a call is made where something breaks; at most `attempts`. Default: 3. */
  attemptsOfFault?: number
  /** The longest wait before another attempt, in milliseconds. Default: 60,000. */
  maxWaitMs?: number | undefined
  signal: AbortSignal
  onFailed?: (failed: FailedAttempt) => void
}

/**
 * What a call of a provider gives, made again while the provider is busy and where something
 * breaks; or its failure, where it may be the fault of what was sent: refused, or broken each time.
 *
 * Attempts wait 1 s, then twice as long each time (a random half of it less), or as long as the
 * provider asks.
 *
 * @throws VantageError of the code, with the provider's error as `cause`, where the call cannot
 * work, the provider stays busy, or asks to wait for longer than `maxWaitMs`.
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
