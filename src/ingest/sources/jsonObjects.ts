import { DamagedError } from './decompressed.ts'
import { jsonContent } from './otlpRequest.ts'
import type { Piece } from './piece.ts'

/**
 * The outermost objects of a stream of JSON text: one per line, over many lines, one after the
 * other, or in an array. Between them may be white space, commas and the brackets of arrays.
 *
 * An object that is complete on its line ends with the line, without a look at its content. Only
 * for others are the brackets counted. Memory is bounded by the largest object.
 *
 * | | becomes |
 * |---|---|
 * | text that is not JSON | a problem for each run of such lines |
 * | an object that ends early, followed by others | a problem; reading continues at the next line if it ended inside a string, otherwise at the next line that begins a request |
 * | an object larger than `maxBytes` | a problem; it is skipped |
 * | an array that is not closed | a problem at its end |
 * | damaged gzip or zstd | a problem at the line where the data ends |
 */
export async function* jsonObjects(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Piece> {
  const text = new JsonText(maxBytes)
  try {
    for await (const chunk of chunks) yield* text.read(chunk)
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error
    yield* text.damaged(error.message)
    return
  }
  yield* text.end()
}

const tab = 9
const lineFeed = 10
const carriageReturn = 13
const space = 32
const quote = 34
const comma = 44
const openBracket = 91
const backslash = 92
const closeBracket = 93
const openBrace = 123
const closeBrace = 125

const isBlank = (byte: number | undefined) => byte === space || byte === tab || byte === carriageReturn || byte === lineFeed

/** The first keys of requests, also with the names of the `.proto` files. */
const requestKeys: ReadonlySet<string> = new Set(
  ['Spans', 'Metrics', 'Logs'].flatMap((signal) => [`resource${signal}`, `resource_${signal.toLowerCase()}`]),
)
const longestKey = 32

/** How much of a line that is not JSON is kept for the error message. */
const shownRubbish = 1024

/**
 * Where the next byte is: between objects; in an object whose line is parsed as a whole; in one
 * whose brackets are counted; in text that is not JSON.
 */
type State = 'between' | 'line' | 'inside' | 'rubbish'

/** JSON text that is read as it comes. */
export class JsonText {
  readonly #maxBytes: number
  #state: State = 'between'
  /** The line of the next byte. */
  #line: number
  /** Whether this line may be a single object that ends with it. */
  #wholeLine = true
  /** The number of open arrays, and where the outermost began. */
  #arrays = 0
  #arrayLine = 0

  /** The bytes of the current object or invalid text. */
  #parts: Uint8Array[] = []
  #length = 0
  #begun = 0
  #tooLong = false

  #depth = 0
  #inText = false
  #escaped = false
  /** Whether only white space has come since the line began. */
  #lineStart = false
  /** Where in the object a line begins with a brace, until its first key has been read. */
  #brace = -1
  #braceLine = 0
  #key: string | undefined

  #rubbish: { line: number; reason: string; more: number } | undefined

  /** @param line of the first byte. */
  constructor(maxBytes: number, line = 1) {
    this.#maxBytes = maxBytes
    this.#line = line
  }

  /** The line of the next byte. */
  get line(): number {
    return this.#line
  }

  /** Whether nothing is open: another one can continue here. */
  get isAtRest(): boolean {
    return this.#state === 'between' && this.#arrays === 0
  }

  /** Tells of text that is not JSON, without waiting for what follows it. */
  *tell(): Generator<Piece> {
    yield* this.#tellRubbish()
  }

  *read(chunk: Uint8Array): Generator<Piece> {
    let at = 0
    while (at < chunk.length) {
      if (this.#state === 'between') at = yield* this.#readBetween(chunk, at)
      else if (this.#state === 'line') at = yield* this.#readLine(chunk, at)
      else if (this.#state === 'inside') at = yield* this.#readInside(chunk, at)
      else at = yield* this.#readRubbish(chunk, at)
    }
  }

  *end(): Generator<Piece> {
    if (this.#state === 'line') yield* this.#endLine()
    if (this.#state === 'inside') yield* this.#broken(this.#bytes())
    if (this.#state === 'rubbish') yield* this.#endRubbish()
    yield* this.#tellRubbish()
    if (this.#arrays > 0) yield { line: this.#line, problem: `the array that begins in line ${this.#arrayLine} is not closed` }
  }

  *damaged(problem: string): Generator<Piece> {
    yield* this.#tellRubbish()
    yield { line: this.#line, problem }
  }

  *#readBetween(chunk: Uint8Array, from: number): Generator<Piece, number> {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === lineFeed) {
        this.#line += 1
        this.#wholeLine = true
      } else if (byte === openBracket) {
        // Elements are cut out one by one: a line with thousands of requests would not fit in
        // memory.
        this.#wholeLine = false
        this.#arrays += 1
        if (this.#arrays === 1) this.#arrayLine = this.#line
      } else if (byte === closeBracket && this.#arrays > 0) this.#arrays -= 1
      else if (byte === openBrace) {
        yield* this.#tellRubbish()
        this.#begin(this.#wholeLine ? 'line' : 'inside')
        return at
      } else if (!isBlank(byte) && byte !== comma) {
        // The brackets that would close it are skipped with the rest of its line.
        if (this.#arrayLine === this.#line) this.#arrays = 0
        this.#begin('rubbish')
        return at
      }
    }
    return chunk.length
  }

  #begin(state: State): void {
    this.#state = state
    this.#begun = this.#line
    this.#parts = []
    this.#length = 0
    this.#tooLong = false
    this.#depth = 0
    this.#inText = false
    this.#escaped = false
    this.#lineStart = false
    this.#brace = -1
    this.#key = undefined
  }

  #keep(bytes: Uint8Array): void {
    this.#length += bytes.length
    if (!this.#tooLong) this.#parts.push(bytes)
  }

  #bytes(): Uint8Array {
    return this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
  }

  *#readLine(chunk: Uint8Array, from: number): Generator<Piece, number> {
    const end = chunk.indexOf(lineFeed, from)
    const to = end === -1 ? chunk.length : end
    this.#keep(chunk.subarray(from, to))
    if (end !== -1 || this.#length > this.#maxBytes) yield* this.#endLine()
    return to
  }

  /** The line has ended, or is so long that it may contain several objects. */
  *#endLine(): Generator<Piece> {
    const parts = this.#parts
    const object = this.#length > this.#maxBytes ? undefined : withoutEnd(this.#bytes())
    const read = object && jsonContent(object)
    if (object && read && !('reason' in read)) {
      yield { line: this.#line, bytes: object, content: read }
      this.#begin('between')
      return
    }
    this.#wholeLine = false
    this.#begin('inside')
    for (const part of parts) yield* this.read(part)
  }

  *#readInside(chunk: Uint8Array, from: number): Generator<Piece, number> {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at]!
      if (this.#inText) {
        if (byte === lineFeed) {
          // A JSON string cannot continue on the next line.
          this.#keep(chunk.subarray(from, at))
          yield* this.#broken(this.#bytes())
          return at
        }
        if (this.#escaped) this.#escaped = false
        else if (byte === backslash) this.#escaped = true
        else if (byte === quote) {
          this.#inText = false
          if (this.#key !== undefined && requestKeys.has(this.#key)) {
            yield* this.#beginAgain(chunk, from, at + 1)
            return at + 1
          }
          this.#brace = -1
          this.#key = undefined
        } else if (this.#key !== undefined && this.#key.length < longestKey) this.#key += String.fromCharCode(byte)
        continue
      }
      if (byte === lineFeed) {
        this.#line += 1
        this.#lineStart = true
      }
      if (isBlank(byte)) continue
      if (byte === quote) {
        this.#inText = true
        if (this.#brace >= 0) this.#key = ''
      } else {
        this.#brace = -1
        if (byte === openBrace || byte === openBracket) {
          if (byte === openBrace && this.#lineStart) {
            this.#brace = this.#length + at - from
            this.#braceLine = this.#line
          }
          this.#depth += 1
        } else if (byte === closeBrace || byte === closeBracket) {
          this.#depth -= 1
          if (this.#depth === 0) {
            this.#keep(chunk.subarray(from, at + 1))
            yield* this.#endObject()
            return at + 1
          }
        }
      }
      this.#lineStart = false
    }
    this.#keep(chunk.subarray(from))
    if (this.#length > this.#maxBytes) {
      if (!this.#tooLong) yield { line: this.#begun, problem: `longer than ${this.#maxBytes} bytes` }
      this.#tooLong = true
      this.#parts = []
      this.#brace = -1
    }
    return chunk.length
  }

  *#endObject(): Generator<Piece> {
    const line = this.#begun
    if (this.#tooLong) {
      this.#begin('between')
      return
    }
    const bytes = this.#bytes()
    this.#begin('between')
    if (bytes.length > this.#maxBytes) yield { line, problem: `longer than ${this.#maxBytes} bytes` }
    else {
      const read = jsonContent(bytes)
      yield 'reason' in read ? { line, problem: read.reason } : { line, bytes, content: read }
    }
  }

  /** The object has no end. */
  *#broken(bytes: Uint8Array): Generator<Piece> {
    if (!this.#tooLong) {
      const read = jsonContent(bytes)
      yield { line: this.#begun, problem: 'reason' in read ? read.reason : 'not JSON' }
    }
    this.#begin('between')
  }

  /**
   * A line that begins a request is not part of the object before it, which therefore has no end.
   */
  *#beginAgain(chunk: Uint8Array, from: number, to: number): Generator<Piece> {
    const line = this.#braceLine
    const brace = this.#brace
    const before = this.#length
    this.#keep(chunk.subarray(from, to))
    const kept = this.#tooLong ? chunk.subarray(from, to) : this.#bytes()
    const begins = this.#tooLong ? brace - before : brace
    yield* this.#broken(kept.subarray(0, begins))
    this.#line = line
    this.#wholeLine = true
    yield* this.read(kept.subarray(begins))
  }

  *#readRubbish(chunk: Uint8Array, from: number): Generator<Piece, number> {
    const end = chunk.indexOf(lineFeed, from)
    const to = end === -1 ? chunk.length : end
    if (this.#length < shownRubbish) this.#keep(chunk.subarray(from, Math.min(to, from + shownRubbish)))
    if (end !== -1) yield* this.#endRubbish()
    return to
  }

  *#endRubbish(): Generator<Piece> {
    const bytes = withoutEnd(this.#bytes())
    this.#begin('between')
    if (this.#rubbish !== undefined) {
      this.#rubbish.more += 1
      return
    }
    const read = jsonContent(bytes)
    if (!('reason' in read)) yield { line: this.#line, bytes, content: read }
    else this.#rubbish = { line: this.#line, reason: read.reason, more: 0 }
  }

  *#tellRubbish(): Generator<Piece> {
    if (this.#rubbish === undefined) return
    const { line, reason, more } = this.#rubbish
    this.#rubbish = undefined
    yield { line, problem: more === 0 ? reason : `${reason} (and ${more} ${more === 1 ? 'line' : 'lines'} after it)` }
  }
}

/** Without the white space and commas at its end. */
function withoutEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && (isBlank(bytes[end - 1]) || bytes[end - 1] === comma)) end -= 1
  return bytes.subarray(0, end)
}
