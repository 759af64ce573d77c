import type { TextLine } from './textLines.ts'

/** How many lines or characters show the format of a text. */
export const sampleLines = 1000
export const sampleCharacters = 4 * 1024 * 1024
/** How long a slow stream is awaited for them, in milliseconds. */
const sampleTime = 5000

/** The lines of a text, the first of which can be looked at before all are read. */
export class SampledLines {
  readonly #source: AsyncGenerator<TextLine[]>
  readonly #batches: TextLine[][] = []
  #next: Promise<IteratorResult<TextLine[]>> | undefined

  constructor(source: AsyncGenerator<TextLine[]>) {
    this.#source = source
  }

  /**
   * The first lines: fewer if there are no more, or no more come for five seconds, or they cannot
   * be read.
   */
  async first(): Promise<TextLine[]> {
    const { promise: due, resolve } = Promise.withResolvers<'due'>()
    let timer: NodeJS.Timeout | undefined
    let lines = 0
    let characters = 0
    try {
      while (lines < sampleLines && characters < sampleCharacters) {
        this.#next ??= this.#source.next()
        // An error is thrown after the lines before it.
        const come = await Promise.race([this.#next.catch(() => 'due' as const), due])
        if (come === 'due' || come.done) break
        this.#next = undefined
        this.#batches.push(come.value)
        lines += come.value.length
        for (const { text } of come.value) characters += text.length
        timer ??= setTimeout(() => resolve('due'), sampleTime)
      }
    } finally {
      clearTimeout(timer)
    }
    return this.#batches.flat().slice(0, sampleLines)
  }

  /** All lines. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TextLine[]> {
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) yield batch
    for (;;) {
      const next = await (this.#next ?? this.#source.next())
      this.#next = undefined
      if (next.done) return
      yield next.value
    }
  }

  async close(): Promise<void> {
    const pending = this.#next
    const closed = this.#source.return(undefined)
    // During a read, it ends only when the read ends, which may be never.
    if (pending === undefined) await closed
    else {
      closed.catch(() => {})
      pending.catch(() => {})
    }
  }
}
