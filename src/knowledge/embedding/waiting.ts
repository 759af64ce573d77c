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
 * The result of `work`, or a rejection with the signal's reason as soon as it aborts, even if
 * `work` ignores the signal; its later result is dropped.
 */
export function unlessAborted<Value>(work: () => Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const give = () => reject(signal.reason)
  if (signal.aborted) {
    give()
    return promise
  }
  signal.addEventListener('abort', give, { once: true })
  // In a promise of its own, so that an exception of `work` becomes a rejection too.
  new Promise<Value>((begin) => {
    begin(work())
  }).then(resolve, reject)
  return promise.finally(() => signal.removeEventListener('abort', give))
}

/** The longest wait for a source to close, in milliseconds. */
const longestClose = 1000

/**
 * Yields from a source until the signal aborts, without waiting for a source that is silent.
 *
 * If it ends early, the source is closed as `for await` would close it: a generator's `finally`
 * runs, and a stream is destroyed. It waits for the close at most one second, and not at all after
 * an abort. Errors of the close are ignored: the earlier error is the one to report.
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
      // A source that has failed is already closed.
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
  // During a read, a stream handles `return` only when the read ends, which may be never.
  if (signal?.aborted && source instanceof Readable) source.destroy()
  const closed = (async () => items.return?.())().catch(() => {})
  if (signal?.aborted) return
  const over = new AbortController()
  await Promise.race([closed.finally(() => over.abort()), pause(longestClose, over.signal).catch(() => {})])
}
