import { VantageError } from '../../schema/errors.ts'
import { batchesOf } from './batches.ts'
import { counted, embeddingFailed } from './counted.ts'
import { EmbeddingRefused, type Embed } from './embed.ts'
import type { Failure } from './failure.ts'
import { insteadOfArray, kindOfValue, numbersIn } from './numbersIn.ts'
import { patiently } from './patiently.ts'
import { pause, unlessAborted } from './waiting.ts'

export interface EmbedTextsOptions {
  /** How many numbers an embedding must have. */
  dimension: number
  /** The reason why an embedding of the right dimension cannot be stored; undefined if it can. */
  flaw: (embedding: readonly number[]) => string | undefined
  /** The most tokens of one call, estimated. Default: 8,000. */
  batchTokens?: number
  /** The most texts of one call. Default: 32, which every provider accepts. */
  batchTexts?: number
  /** How many calls run at the same time. Default: 4. */
  concurrency?: number
  /** How often a batch is tried while the provider is busy. Default: 6, in about half a minute. */
  attempts?: number
  /** The longest wait before another attempt, in milliseconds. Default: 60,000. */
  maxWaitMs?: number
  /** Ends the call at once. */
  signal?: AbortSignal
  onRetry?: (retry: EmbedRetry) => void
}

/** A call that failed and will be repeated. */
export interface EmbedRetry {
  /** Which attempt failed, from 1. */
  attempt: number
  /** The wait before it is repeated, in milliseconds. */
  waitMs: number
  /** How many texts it has. */
  texts: number
  error: unknown
}

interface Batch {
  /** The positions of its texts. */
  at: readonly number[]
  /**
   * Whether it is part of a batch that failed: it is not tried again before it is halved further.
   */
  part: boolean
}

/**
 * After this many refused single texts and no accepted one, the call itself is considered refused.
 */
const maxRefused = 8
/** After this many failed calls in a row, the provider is considered broken. */
const maxFaults = 16

/**
 * For each text, its embedding or the reason why it has none, in the order of the texts.
 *
 * Texts are sent in batches, several at a time. {@link Embed} says what each error means. A batch
 * with a refused text is halved until the refused texts stand alone; the halves run after the
 * batches that wait. The wait between attempts is 1 s, doubled each time (a random half of it
 * less), or the time that the provider asks for; during that time no other call begins.
 *
 * An embedding with a flaw counts as refused, and so does one of a wrong dimension if others are
 * right.
 *
 * @throws VantageError, with the provider's error as `cause`, if the call cannot work (no key, no
 * such model, a wrong number of embeddings, all of a wrong dimension, the first 8 single texts
 * refused and none accepted), if the provider stays busy or asks for a wait longer than
 * `maxWaitMs`, and if it fails for every text.
 */
export async function embedTexts(
  embed: Embed,
  texts: readonly string[],
  options: EmbedTextsOptions,
): Promise<(readonly number[] | EmbeddingRefused)[]> {
  const { batchTokens = 8_000, batchTexts = 32, concurrency = 4, attempts, maxWaitMs, signal, onRetry } = options
  signal?.throwIfAborted()
  const found = new Map<number, readonly number[] | EmbeddingRefused>()
  const batches: Batch[] = batchesOf(texts, { batchTokens, batchTexts }).map((at) => ({ at, part: false }))
  const urgent: Batch[] = []
  const over = new AbortController()
  const stop = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  const seen = { rightDimension: false, taken: 0, refused: 0, refusedAlone: 0, faultsInARow: 0 }
  let lastFault: VantageError | undefined
  let heldUntil = 0

  const halve = ({ at }: Batch) => {
    const middle = Math.ceil(at.length / 2)
    // Halves wait behind other batches. If no text was ever accepted, single texts show sooner than
    // more batches that the call itself is refused.
    const line = seen.taken === 0 && seen.refused >= maxRefused ? urgent : batches
    line.push({ at: at.slice(middle), part: true }, { at: at.slice(0, middle), part: true })
  }

  const call = async ({ at }: Batch) => {
    while (heldUntil > Date.now()) await pause(heldUntil - Date.now(), stop)
    return unlessAborted(
      () =>
        embed(
          at.map((each) => texts[each]!),
          { signal: stop },
        ),
      stop,
    )
  }

  /** Records the result of a call. */
  const take = ({ at }: Batch, answer: unknown) => {
    const embeddings = embeddingsIn(answer, at.length)
    seen.faultsInARow = 0
    seen.rightDimension ||= embeddings.some((embedding) => numbersIn(embedding)?.length === options.dimension)
    for (const [place, embedding] of embeddings.entries()) {
      const numbers = numbersIn(embedding)
      const flaw = numbers === undefined ? `its embedding is ${kindOfValue(embedding)}` : shapeFlaw(numbers, options)
      if (flaw === undefined) seen.taken += 1
      // Some models return nothing or an empty list for a text that they cannot embed.
      else if (!seen.rightDimension && embedding != null && numbers?.length !== 0)
        throw failed(`the embedding function returned embeddings that cannot be stored: ${flaw}${remedyFor(numbers, options)}`)
      found.set(at[place]!, flaw === undefined ? numbers! : new EmbeddingRefused(flaw))
    }
  }

  const refuse = (batch: Batch, { message }: Failure, error: unknown) => {
    seen.refused += 1
    if (batch.at.length > 1) return halve(batch)
    seen.refusedAlone += 1
    if (seen.taken === 0 && seen.refusedAlone >= maxRefused)
      throw failed(
        `the embedding provider refused each of the first ${maxRefused} texts: ${message}. Check its model and the other options of every call`,
        error,
      )
    found.set(batch.at[0]!, new EmbeddingRefused(message, error))
  }

  const giveUpOnWhole = (batch: Batch, { message }: Failure, error: unknown) => {
    lastFault = failed(`the embedding provider failed on every attempt: ${message}`, error)
    seen.faultsInARow += 1
    if (seen.faultsInARow >= maxFaults) throw lastFault
    if (batch.at.length > 1) return halve(batch)
    found.set(batch.at[0]!, new EmbeddingRefused(message, error))
  }

  const run = async (batch: Batch) => {
    const outcome = await patiently(() => call(batch), {
      provider: 'the embedding provider',
      code: embeddingFailed,
      attempts,
      maxWaitMs,
      signal: stop,
      // Then its texts are tried one by one.
      ...(batch.part && { attemptsOfFault: 1 }),
      onFailed: ({ attempt, waitMs, retryAfterMs, error }) => {
        if (retryAfterMs !== undefined) heldUntil = Math.max(heldUntil, Date.now() + retryAfterMs)
        onRetry?.({ attempt, waitMs, texts: batch.at.length, error })
      },
    })
    if ('answer' in outcome) return take(batch, outcome.answer)
    const { failure, error } = outcome
    return failure.kind === 'refused' ? refuse(batch, failure, error) : giveUpOnWhole(batch, failure, error)
  }

  try {
    let next = 0
    await inParallel(() => urgent.pop() ?? (next < batches.length ? batches[next++] : undefined), concurrency, run)
  } finally {
    // Calls still running are aborted: their answers are not needed.
    over.abort()
  }
  if (lastFault !== undefined && seen.taken === 0) throw lastFault
  return texts.map((_, at) => found.get(at)!)
}

const failed = (message: string, cause?: unknown) => new VantageError(message, { code: embeddingFailed, cause })

function embeddingsIn(answer: unknown, texts: number): unknown[] {
  if (!Array.isArray(answer)) throw failed(`the embedding function ${insteadOfArray(answer, 'embeddings')}`)
  return counted<unknown>(answer, texts)
}

/** What to do about embeddings of another dimension. */
const remedyFor = (numbers: readonly number[] | undefined, { dimension }: EmbedTextsOptions): string =>
  numbers === undefined || numbers.length === dimension
    ? ''
    : `. Take a model that gives ${dimension}, or for this one a new installation: pgvantage migrate up --embedding-dimension ${numbers.length}`

const shapeFlaw = (numbers: readonly number[], { dimension, flaw }: EmbedTextsOptions): string | undefined =>
  numbers.length === dimension ? flaw(numbers) : `its embedding has ${numbers.length} numbers, not ${dimension}`

/**
 * Runs the work that `next` returns until it returns none, several pieces at a time. Work in
 * progress may add more. Rejects at the first rejection; the results of work still running are
 * ignored.
 */
function inParallel<Work>(next: () => Work | undefined, concurrency: number, run: (work: Work) => Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let running = 0
  let failed = false
  const pump = () => {
    while (!failed && running < concurrency) {
      const work = next()
      if (work === undefined) break
      running += 1
      run(work).then(
        () => {
          running -= 1
          pump()
        },
        (error: unknown) => {
          failed = true
          reject(error)
        },
      )
    }
    if (running === 0) resolve()
  }
  pump()
  return promise
}
