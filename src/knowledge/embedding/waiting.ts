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

/** What a source yields until the signal; one that has gone quiet is not waited for. */
export async function* untilAborted<T>(source: Iterable<T> | AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  if (signal === undefined) {
    yield* source
    return
  }
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  try {
    for (;;) {
      const next = await unlessAborted(async () => items.next(), signal)
      if (next.done) return
      yield next.value
    }
  } finally {
    // A generator in the middle of a read takes this when that ends, which may be never.
    const closed = Promise.resolve(items.return?.())
    if (signal.aborted) closed.catch(() => {})
    else await closed
  }
}
