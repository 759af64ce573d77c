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
