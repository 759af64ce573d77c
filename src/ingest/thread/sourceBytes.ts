import type { OtlpSource } from '../sources/requestsOf.ts'
import { chunksOf, pathOf } from '../sources/sourceBytes.ts'

type Chunk = string | Uint8Array

/** The bytes of a source, of which the first may be read before they are wanted. */
export class SourceBytes implements AsyncIterable<Chunk>, AsyncIterator<Chunk, undefined> {
  readonly path: string | undefined
  readonly #source: OtlpSource
  readonly #signal: AbortSignal | undefined
  #chunks: AsyncIterator<Chunk> | undefined
  readonly #ahead: Promise<IteratorResult<Chunk, undefined>>[] = []

  constructor(source: OtlpSource, signal: AbortSignal | undefined) {
    this.path = pathOf(source)
    this.#source = source
    this.#signal = signal
  }

  /** Reads one chunk that `next` gives later; its length, or undefined at the end. */
  async readAhead(): Promise<number | undefined> {
    const chunk = this.#read()
    this.#ahead.push(chunk)
    // The failure is met at its place, by who reads on.
    const { value } = await chunk.catch(() => ({ value: undefined }))
    return value?.length
  }

  next(): Promise<IteratorResult<Chunk, undefined>> {
    return this.#ahead.shift() ?? this.#read()
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    await this.#chunks?.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #read(): Promise<IteratorResult<Chunk, undefined>> {
    // Opened only now: there may be more files than a process may have open.
    this.#chunks ??= chunksOf(this.#source, this.#signal)[Symbol.asyncIterator]()
    const { done, value } = await this.#chunks.next()
    return done ? { done, value: undefined } : { value }
  }
}

/**
 * Whether sources have more bytes than this, or have not ended after this time. It reads ahead to
 * find out.
 */
export async function isLarge(sources: readonly SourceBytes[], bytes: number, milliseconds: number): Promise<boolean> {
  let giveUp: (late: 'late') => void = () => {}
  const timer = setTimeout(() => giveUp('late'), milliseconds)
  try {
    let left = bytes
    for (const source of sources) {
      for (;;) {
        const length = await new Promise<number | undefined | 'late'>((resolve) => {
          giveUp = resolve
          void source.readAhead().then(resolve)
        })
        if (length === 'late') return true
        if (length === undefined) break
        left -= length
        if (left <= 0) return true
      }
    }
    return false
  } finally {
    clearTimeout(timer)
  }
}
