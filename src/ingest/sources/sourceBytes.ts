import { createReadStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { SourceObject } from './otlpRequest.ts'

/** The bytes of a file or a stream, until the signal aborts. */
export function chunksOf(
  source: string | AsyncIterable<string | Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncIterable<string | Uint8Array> {
  const chunks = typeof source === 'string' ? createReadStream(source, { highWaterMark: 256 * 1024 }) : source
  return signal === undefined ? chunks : untilAborted(chunks, signal)
}

/** The name of a source in reports. */
export const nameOfSource = (source: string | object, origin?: SourceObject): string => pathOf(source) ?? origin?.objectKey ?? '-'

/** Where a source is: the folder and the name of a file, `-` for a stream without a path. */
export function placeOfSource(source: string | object): SourceObject {
  const path = pathOf(source)
  return path === undefined ? { objectBucket: '-', objectKey: '-' } : { objectBucket: dirname(path), objectKey: basename(path) }
}

/** The path of a file, or the one that a stream has, as those of Node.js do. */
export function pathOf(source: string | object): string | undefined {
  if (typeof source === 'string') return source
  const path: unknown = Reflect.get(source, 'path')
  return typeof path === 'string' ? path : Buffer.isBuffer(path) ? path.toString() : undefined
}

/**
 * Yields chunks until the signal aborts, without waiting for a source that is silent (a pipe, a
 * socket).
 */
async function* untilAborted<T>(chunks: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const source = chunks[Symbol.asyncIterator]()
  // One listener ends the current read. `Promise.race` with a promise of the signal would keep
  // every chunk in memory as long as the signal.
  let give: (reason: unknown) => void = () => {}
  const abort = () => give(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        give = reject
        source.next().then(resolve, reject)
      })
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // During a read, a generator handles this only when the read ends, which may be never.
    const closed = source.return?.()
    if (signal.aborted) closed?.catch(() => {})
    else await closed
  }
}
