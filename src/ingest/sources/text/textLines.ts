import { ByteInput } from '../byteInput.ts'

/** A line of a text. */
export interface TextLine {
  text: string
  /** From 1. */
  number: number
  /** How many bytes at its end were left out, since it is too long. */
  cut: number
}

/** Longer lines are cut off: a message has no more. */
export const maxLineBytes = 1024 * 1024

const newline = 10
const carriageReturn = 13
const utf8Mark = Buffer.from([0xef, 0xbb, 0xbf])
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * The lines of a text in UTF-8, or in UTF-16 with a byte order mark, some at a time. Bytes that are
 * not UTF-8 and NUL become U+FFFD. A line ends with LF or CRLF.
 */
export async function* textLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine[]> {
  const input = new ByteInput(chunks)
  const head = (await input.peek(utf8Mark.length)).subarray(0, utf8Mark.length)
  const utf16 = head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : undefined
  if (utf8Mark.equals(head)) await input.take(utf8Mark.length)
  let number = 0
  let parts: Uint8Array[] = []
  let length = 0
  const keep = (part: Uint8Array) => {
    const room = maxLineBytes - Math.min(length, maxLineBytes)
    if (room > 0) parts.push(part.subarray(0, room))
    length += part.length
  }
  const finished = (): TextLine => {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const cut = Math.max(0, length - maxLineBytes)
    parts = []
    length = 0
    number += 1
    return { text: textOfLine(bytes, cut > 0), number, cut }
  }
  for await (const chunk of utf16 === undefined ? input.rest() : fromUtf16(input, utf16)) {
    const lines: TextLine[] = []
    let from = 0
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, at))
      lines.push(finished())
      from = at + 1
    }
    // A copy: the chunk may be large, and its rest small.
    if (from < chunk.length) keep(from === 0 ? chunk : chunk.slice(from))
    if (lines.length > 0) yield lines
  }
  if (length > 0) yield [finished()]
}

/** The text of a line's bytes, without the CR at the end of one that is whole. */
export function textOfLine(bytes: Uint8Array, isCut: boolean): string {
  const end = !isCut && bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length
  const text = decoder.decode(end === bytes.length ? bytes : bytes.subarray(0, end))
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text
}

async function* fromUtf16(input: ByteInput, encoding: string): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding)
  for await (const chunk of input.rest()) yield Buffer.from(decoder.decode(chunk, { stream: true }))
  yield Buffer.from(decoder.decode())
}
