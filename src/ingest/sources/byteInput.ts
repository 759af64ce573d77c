/** The bytes of a stream, with the possibility to look ahead. */
export class ByteInput {
  readonly #source: AsyncIterator<Uint8Array>
  #ahead: Uint8Array = new Uint8Array()
  #failure: { error: unknown } | undefined

  constructor(chunks: AsyncIterable<string | Uint8Array>) {
    this.#source = bytesOf(chunks)[Symbol.asyncIterator]()
  }

  /**
   * The next bytes, at least this many; fewer only at the end or before a failure. They are not
   * consumed.
   */
  async peek(least: number): Promise<Uint8Array> {
    while (this.#ahead.length < least) {
      const next = await this.#next()
      if (next === undefined) break
      this.#ahead = this.#ahead.length === 0 ? next : Buffer.concat([this.#ahead, next])
    }
    return this.#ahead
  }

  /** At most this many bytes; undefined at the end. */
  async take(most: number): Promise<Uint8Array | undefined> {
    while (this.#ahead.length === 0) {
      const next = await this.#next()
      if (next !== undefined) this.#ahead = next
      else if (this.#failure !== undefined) throw this.#failure.error
      else return undefined
    }
    const taken = this.#ahead.subarray(0, most)
    this.#ahead = this.#ahead.subarray(taken.length)
    return taken
  }

  /**
   * A failure is thrown after the bytes before it, which a caller that looks ahead may still want.
   */
  async #next(): Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) return undefined
    try {
      const next = await this.#source.next()
      return next.done ? undefined : next.value
    } catch (error) {
      this.#failure = { error }
      return undefined
    }
  }

  /** Exactly this many bytes in one piece; fewer only at the end. */
  async takeAll(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let left = length; left > 0; left -= parts.at(-1)!.length) {
      const taken = await this.take(left)
      if (taken === undefined) break
      parts.push(taken)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  giveBack(bytes: Uint8Array): void {
    this.#ahead = this.#ahead.length === 0 ? bytes : Buffer.concat([bytes, this.#ahead])
  }

  /** All remaining bytes. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.take(Infinity); chunk !== undefined; chunk = await this.take(Infinity)) yield chunk
  }

  async close(): Promise<void> {
    await this.#source.return?.(undefined)
  }
}

async function* bytesOf(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
