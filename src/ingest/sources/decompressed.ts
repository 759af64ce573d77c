import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ByteInput } from './byteInput.ts'

/** Compressed data ends early or is damaged. */
export class DamagedError extends Error {}

/** The formats recognised by their first bytes. */
const formats = [
  { name: 'gzip', magic: [0x1f, 0x8b], create: () => createGunzip() },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], create: () => createZstdDecompress() },
] as const
type Format = (typeof formats)[number]

const formatOf = (head: Uint8Array): Format | undefined => formats.find(({ magic }) => magic.every((byte, index) => head[index] === byte))
const magicLength = 4

/** Whether bytes begin gzip or zstd. */
export const isCompressed = (head: Uint8Array): boolean => formatOf(head) !== undefined

/**
 * Decompresses small slices, so that a decompression bomb (a thousand times its compressed size)
 * does not fill the memory.
 */
const slice = 16 * 1024

/**
 * The bytes of a stream, decompressed if they are gzip or zstd. Several members one after the
 * other, as in appended files, are read as one; zeros between them, used to fill up blocks, are
 * skipped.
 *
 * @throws DamagedError after the bytes that could be read.
 */
export async function* decompressed(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteInput(chunks)
  try {
    const format = formatOf(await input.peek(magicLength))
    if (format === undefined) return yield* input.rest()
    for (;;) {
      yield* member(format, input)
      await skipZeros(input)
      const head = await input.peek(magicLength)
      if (head.length === 0) return
      if (formatOf(head) !== format) throw new DamagedError(`what follows the ${format.name} stream is not another one`)
    }
  } finally {
    await input.close()
  }
}

/** One member; the bytes after it stay in the input. */
async function* member({ name, create }: Format, input: ByteInput): AsyncGenerator<Uint8Array> {
  // Not piped: a stream destroyed by an error drops data it has already decompressed, and how much
  // depends on timing.
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
      // It accepted no more: the member has ended.
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

/** zstd's error for data after a frame that is not another frame. */
const endsBeforeNone = (error: Error) => 'code' in error && error.code === 'ZSTD_error_prefix_unknown'

const problem = (name: string, error: Error) =>
  'code' in error && (error.code === 'Z_BUF_ERROR' || error.code === 'ZSTD_error_srcSize_wrong')
    ? `the ${name} stream ends early`
    : `damaged ${name}: ${error.message}`

async function skipZeros(input: ByteInput): Promise<void> {
  for (let chunk = await input.take(slice); chunk !== undefined; chunk = await input.take(slice)) {
    const found = chunk.findIndex((byte) => byte !== 0)
    if (found === -1) continue
    input.giveBack(chunk.subarray(found))
    return
  }
}
