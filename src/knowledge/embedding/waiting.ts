import { Readable } from 'node:stream'

/** Resolves after a time in milliseconds; rejects with the signal's reason as soon as it aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  return unlessAborted(
    () =>
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms)
      }),
    signal,
  ).finally(() => clearTimeout(timer))
}

/**
 * What `work` gives, or a rejection with the signal's reason as soon as it aborts, also where
 * `work` does not listen to the signal; what that brings later is dropped.
 */
export function unlessAborted<Value>(work: () => Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const give = () => reject(signal.reason)
  if (signal.aborted) {
    give()
    return promise
  }
  signal.addEventListener('abort', give, { once: true })
  // In a promise of its own, so that what `work` throws before it returns is a rejection too.
  new Promise<Value>((begin) => {
    begin(work())
  }).then(resolve, reject)
  return promise.finally(() => signal.removeEventListener('abort', give))
}

/** So long is waited for a source that is closed, in milliseconds. */
const longestClose = 1000

/**
 * What a source yields until the signal; one that has gone quiet is not waited for.
 *
 * Wherever it ends early, the source is closed as `for await` would: `finally` of a generator runs,
 * a stream is destroyed. That is waited for, but not for ever, and not after an abort; what goes
 * wrong then is not heard, for something went wrong before.
 */
export async function* untilAborted<T>(source: Iterable<T> | AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let open = true
  const read = async (): Promise<IteratorResult<T>> => {
    try {
      const result = await items.next()
      if (result.done) open = false
      return result
    } catch (error) {
      // A source that has failed is closed.
      open = false
      throw error
    }
  }
  try {
    for (;;) {
      const next = await (signal === undefined ? read() : unlessAborted(read, signal))
      if (next.done) return
      yield next.value
    }
  } finally {
    if (open) await close(source, items, signal)
  }
}

async function close(source: unknown, items: Iterator<unknown> | AsyncIterator<unknown>, signal: AbortSignal | undefined): Promise<void> {
  // In the middle of a read, a stream takes `return` when that ends, which may be never.
  if (signal?.aborted && source instanceof Readable) source.destroy()
  const closed = (async () => items.return?.())().catch(() => {})
  if (signal?.aborted) return
  const over = new AbortController()
  await Promise.race([closed.finally(() => over.abort()), pause(longestClose, over.signal).catch(() => {})])
}
