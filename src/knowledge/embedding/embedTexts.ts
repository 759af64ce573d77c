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
  /** Why an embedding of that many numbers cannot be stored; undefined for one that can. */
  flaw: (embedding: readonly number[]) => string | undefined
  /** How many tokens a call has at most, estimated. Default: 8,000. */
  batchTokens?: number
  /** How many texts a call has at most. Default: 32, which every provider takes. */
  batchTexts?: number
  /** How many calls run at a time. Default: 4. */
  concurrency?: number
  /** How often a batch is tried where the provider is busy. Default: 6, in about half a minute. */
  attempts?: number
  /** The longest wait before another attempt, in milliseconds. Default: 60,000. */
  maxWaitMs?: number
  /** Ends it at once. */
  signal?: AbortSignal
  onRetry?: (retry: EmbedRetry) => void
}

/** A call that failed and is made again. */
export interface EmbedRetry {
  /** Which attempt failed, from 1. */
  attempt: number
  /** How long from now it is made again, in milliseconds. */
  waitMs: number
  /** How many texts it has. */
  texts: number
  error: unknown
}

interface Batch {
  /** Positions of its texts. */
  at: readonly number[]
  /** Whether it is part of one that failed: it is not tried again before it is halved further. */
  part: boolean
}

/** With this number of single texts refused, and not one taken, it is the call that is refused. */
const maxRefused = 8
/** With this number of calls broken one after another, it is the provider that is broken. */
const maxFaults = 16

/**
 * For each text its embedding, or why it has none, in the order of the texts.
 *
 * Texts go in batches, several at a time. What an error means is said at {@link Embed}. A batch
 * with a refused text is halved, behind the batches that wait, until the refused texts stand alone.
 * Attempts wait 1 s, then twice as long each time (a random half of it less), or as long as the
 * provider asks; while it asks for that, no other call begins.
 *
 * An embedding with a flaw, or of a wrong dimension where others are right, counts as refused.
 *
 * @throws VantageError, with the provider's error as `cause`, where the call cannot work (no key,
 * no such model, more or fewer embeddings than texts, all of a wrong dimension, the first 8 single
 * texts refused and none taken), where the provider stays busy, or asks to wait for longer than
 * `maxWaitMs`, and where it breaks over every text.
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
    // Behind the batches that wait; but where nothing is ever taken, one call more per batch finds
    // out less than single texts do.
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

  /** Writes down what a call gave. */
  const take = ({ at }: Batch, answer: unknown) => {
    const embeddings = embeddingsIn(answer, at.length)
    seen.faultsInARow = 0
    seen.rightDimension ||= embeddings.some((embedding) => numbersIn(embedding)?.length === options.dimension)
    for (const [place, embedding] of embeddings.entries()) {
      const numbers = numbersIn(embedding)
      const flaw = numbers === undefined ? `its embedding is ${kindOfValue(embedding)}` : shapeFlaw(numbers, options)
      if (flaw === undefined) seen.taken += 1
      // Nothing, or an empty list, is what some models give for a text they can make nothing of.
      else if (!seen.rightDimension && embedding != null && numbers?.length !== 0)
        throw failed(`the embedding function gives what cannot be stored: ${flaw}${remedyFor(numbers, options)}`)
      found.set(at[place]!, flaw === undefined ? numbers! : new EmbeddingRefused(flaw))
    }
  }

  const refuse = (batch: Batch, { message }: Failure, error: unknown) => {
    seen.refused += 1
    if (batch.at.length > 1) return halve(batch)
    seen.refusedAlone += 1
    if (seen.taken === 0 && seen.refusedAlone >= maxRefused)
      throw failed(
        `the embedding provider refused each of the first ${maxRefused} texts: ${message}. Check its model and what else every call has`,
        error,
      )
    found.set(batch.at[0]!, new EmbeddingRefused(message, error))
  }

  const giveUpOnWhole = (batch: Batch, { message }: Failure, error: unknown) => {
    lastFault = failed(`the embedding provider failed, again and again: ${message}`, error)
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
      // Then its texts are looked at one by one.
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
    // Calls that are still out are told that nobody waits for them.
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

/** What to do about an embedding of another dimension. */
const remedyFor = (numbers: readonly number[] | undefined, { dimension }: EmbedTextsOptions): string =>
  numbers === undefined || numbers.length === dimension
    ? ''
    : `. Take a model that gives ${dimension}, or for this one a new installation: pgvantage migrate up --embedding-dimension ${numbers.length}`

const shapeFlaw = (numbers: readonly number[], { dimension, flaw }: EmbedTextsOptions): string | undefined =>
  numbers.length === dimension ? flaw(numbers) : `its embedding has ${numbers.length} numbers, not ${dimension}`

/**
 * Runs the work that `next` gives until it gives no more, a number of them at a time. What is run
 * may bring more work. Rejects as soon as one does; what runs then goes on unheard.
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
