import { DamagedError, decompressed } from './decompressed.ts'

/**
 * The longest line that is read. Longer JSON is no export request, and takes a multiple of it in
 * memory.
 */
export const maxLineBytes = 64 * 1024 * 1024

/** A line without its end, or what went wrong in its place. */
export type Line = { line: number; bytes: Uint8Array } | { line: number; problem: string }

/** Whether a file begins with what is in no text, and not with what JSON begins with. */
function looksBinary(chunk: Uint8Array): boolean {
  const head = chunk.subarray(0, 512)
  const first = head.find((byte) => !blanks.has(byte))
  const jsonFollows = Buffer.from(head).includes('\n{')
  return first !== 0x7b && first !== 0x5b && !jsonFollows && head.some((byte) => byte < 32 && !blanks.has(byte))
}
const blanks: ReadonlySet<number> = new Set([9, 10, 13, 32])

/**
 * The lines of a stream of bytes: plain, gzip or zstd, told apart by their first bytes, not by a
 * name. Memory is bounded by the longest line.
 *
 * | | becomes |
 * |---|---|
 * | an empty line | nothing; it counts |
 * | a line longer than 64 MB | a problem; it is skipped |
 * | damaged gzip or zstd | a problem at the line where it breaks off; the whole lines before it are read, and nothing after it can be |
 * | what is binary from the start, such as protobuf | one problem, at line 1 |
 */
export async function* otlpLines(chunks: AsyncIterable<string | Uint8Array>, maxBytes = maxLineBytes): AsyncGenerator<Line> {
  let line = 1
  let parts: Uint8Array[] = []
  let length = 0
  let begun = false
  try {
    for await (const chunk of decompressed(chunks)) {
      if (!begun && looksBinary(chunk)) {
        yield { line, problem: 'neither JSON nor gzip or zstd of it: the file is binary. Have the exporter write JSON' }
        return
      }
      begun = true
      let start = 0
      for (let end = chunk.indexOf(10); end !== -1; start = end + 1, end = chunk.indexOf(10, start)) {
        // Empty lines are passed over here, where one costs a nanosecond: there can be millions.
        if (length === 0 && end === start) {
          while (chunk[end + 1] === 10) end += 1
          line += end - start + 1
          continue
        }
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
    if (!(error instanceof DamagedError)) throw error
    yield { line, problem: error.message }
    return
  }
  if (length > maxBytes) yield { line, problem: `longer than ${maxBytes} bytes` }
  else if (length > 0) yield { line, bytes: joined(parts) }
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => (parts.length === 1 ? parts[0]! : Buffer.concat(parts))
