import { createGunzip, createZstdDecompress } from 'node:zlib'

/** What is compressed breaks off, or is not what it says. */
export class DamagedError extends Error {}

/** The formats that are told by their first bytes. */
const formats = [
  { name: 'gzip', magic: [0x1f, 0x8b], create: () => createGunzip() },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], create: () => createZstdDecompress() },
] as const
type Format = (typeof formats)[number]

const formatOf = (head: Uint8Array): Format | undefined => formats.find(({ magic }) => magic.every((byte, index) => head[index] === byte))
const magicLength = 4

/**
 * So little is decompressed at a time that a bomb, a thousand times as large as it looks, fills no
 * memory.
 */
const slice = 16 * 1024

/**
 * The bytes of a stream, decompressed where they are gzip or zstd. Several members one after the
 * other, as when files are appended to each other, are read as one; zeros between them, with which
 * blocks are filled up, are passed over.
 *
 * @throws DamagedError behind the bytes that could be read.
 */
export async function* decompressed(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(chunks)
  try {
    const format = formatOf(await input.peek())
    if (format === undefined) return yield* input.rest()
    for (;;) {
      yield* member(format, input)
      await input.skipZeros()
      const head = await input.peek()
      if (head.length === 0) return
      if (formatOf(head) !== format) throw new DamagedError(`what follows the ${format.name} stream is none`)
    }
  } finally {
    await input.close()
  }
}

/** One member; what follows it stays in the input. */
async function* member({ name, create }: Format, input: Input): AsyncGenerator<Uint8Array> {
  // Written out, not piped: a stream that an error destroys drops what it has already decompressed,
  // and how much that is depends on timing.
  const stream = create()
  let output: Uint8Array[] = []
  let failure: Error | undefined
  stream.on('data', (chunk: Uint8Array) => output.push(chunk))
  stream.on('error', (error) => (failure ??= error))
  const settled = (start: (done: () => void) => void) =>
    new Promise<void>((resolve) => {
      stream.once('close', resolve)
      start(() => {
        stream.off('close', resolve)
        resolve()
      })
    })
  const taken = () => {
    const chunks = output
    output = []
    return chunks
  }
  let written = 0
  try {
    for (let chunk = await input.take(slice); chunk !== undefined; chunk = await input.take(slice)) {
      written += chunk.length
      const next = chunk
      await settled((done) => stream.write(next, () => done()))
      yield* taken()
      const left = written - stream.bytesWritten
      // It took no more: the member has ended.
      if (left > 0 && (failure === undefined || endsBeforeNone(failure))) {
        input.giveBack(chunk.subarray(chunk.length - left))
        return
      }
      if (failure) break
    }
    if (!failure) await settled((done) => stream.end().once('end', done))
    yield* taken()
    if (failure) throw new DamagedError(problem(name, failure))
  } finally {
    stream.destroy()
  }
}

/** zstd's own way to say that a frame has ended and what follows is none. */
const endsBeforeNone = (error: Error) => 'code' in error && error.code === 'ZSTD_error_prefix_unknown'

const problem = (name: string, error: Error) =>
  'code' in error && (error.code === 'Z_BUF_ERROR' || error.code === 'ZSTD_error_srcSize_wrong')
    ? `the ${name} stream ends before its end`
    : `damaged ${name}: ${error.message}`

/** The bytes of a stream, of which some can be looked at before they are taken, and given back. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>
  #ahead: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<string | Uint8Array>) {
    this.#source = bytesOf(chunks)[Symbol.asyncIterator]()
  }

  /** The next four bytes; fewer only at the end. */
  async peek(): Promise<Uint8Array> {
    while (this.#ahead.length < magicLength) {
      const next = await this.#source.next()
      if (next.done) break
      this.#ahead = Buffer.concat([this.#ahead, next.value])
    }
    return this.#ahead.subarray(0, magicLength)
  }

  /** At most so many bytes; undefined at the end. */
  async take(most: number): Promise<Uint8Array | undefined> {
    while (this.#ahead.length === 0) {
      const next = await this.#source.next()
      if (next.done) return undefined
      this.#ahead = next.value
    }
    const taken = this.#ahead.subarray(0, most)
    this.#ahead = this.#ahead.subarray(taken.length)
    return taken
  }

  giveBack(bytes: Uint8Array): void {
    this.#ahead = Buffer.concat([bytes, this.#ahead])
  }

  async skipZeros(): Promise<void> {
    for (let chunk = await this.take(slice); chunk !== undefined; chunk = await this.take(slice)) {
      const found = chunk.findIndex((byte) => byte !== 0)
      if (found === -1) continue
      this.giveBack(chunk.subarray(found))
      return
    }
  }

  /** All that is left. */
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
