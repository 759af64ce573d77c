import { createGunzip } from 'node:zlib'

/**
 * The longest line that is read. Longer JSON is no export request, and takes a multiple of it in
 * memory.
 */
export const maxLineBytes = 64 * 1024 * 1024

/** A line without its end, or what went wrong in its place. */
export type Line = { line: number; bytes: Uint8Array } | { line: number; problem: string }

/**
 * The lines of a stream of bytes, plain or gzip (told apart by the first two bytes, not by a name).
 * Memory is bounded by the longest line.
 *
 * A line longer than 64 MB is reported and skipped. Damaged gzip is reported at the line where it
 * breaks off: the whole lines before it are read. Nothing after the damage can be decompressed.
 */
export async function* otlpLines(chunks: AsyncIterable<string | Uint8Array>, maxBytes = maxLineBytes): AsyncGenerator<Line> {
  let line = 1
  let parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of gunzipIfNeeded(chunks)) {
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; start = end + 1, end = chunk.indexOf(10, start)) {
        length += end - start
        if (length > maxBytes) yield { line, problem: `longer than ${maxBytes} bytes` }
        else {
          parts.push(chunk.subarray(start, end))
          yield { line, bytes: joined(parts) }
        }
        line += 1
        parts = []
        length = 0
      }
      length += chunk.length - start
      if (length <= maxBytes) parts.push(chunk.subarray(start))
      else parts = []
    }
  } catch (error) {
    if (!(error instanceof GzipError)) throw error
    yield { line, problem: error.message }
    return
  }
  if (length > maxBytes) yield { line, problem: `longer than ${maxBytes} bytes` }
  else if (length > 0) yield { line, bytes: joined(parts) }
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => (parts.length === 1 ? parts[0]! : Buffer.concat(parts))

class GzipError extends Error {}

async function* gunzipIfNeeded(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = bytesOf(chunks)[Symbol.asyncIterator]()
  try {
    let head: Uint8Array = new Uint8Array()
    while (head.length < 2) {
      const next = await source.next()
      if (next.done) break
      head = Buffer.concat([head, next.value])
    }
    const all = { [Symbol.asyncIterator]: () => source }
    if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzip(head, all)
    else {
      if (head.length > 0) yield head
      yield* all
    }
  } finally {
    await source.return?.(undefined)
  }
}

async function* bytesOf(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

/**
 * Written out, not piped: a stream that an error destroys drops what it has already decompressed,
 * and how much that is depends on timing.
 */
async function* gunzip(head: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip()
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
  try {
    for (const chunk of [head]) await settled((done) => stream.write(chunk, () => done()))
    yield* taken()
    for await (const chunk of rest) {
      if (failure) break
      await settled((done) => stream.write(chunk, () => done()))
      yield* taken()
    }
    if (!failure) await settled((done) => stream.end().once('end', done))
    yield* taken()
    if (failure) throw new GzipError(gzipProblem(failure))
  } finally {
    stream.destroy()
  }
}

const gzipProblem = (error: Error) =>
  'code' in error && error.code === 'Z_BUF_ERROR' ? 'the gzip stream ends before its end' : `damaged gzip: ${error.message}`
