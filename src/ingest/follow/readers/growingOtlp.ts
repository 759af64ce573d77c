import { requestOf, type SourceObject } from '../../sources/otlpRequest.ts'
import { maxRequestBytes, type Piece } from '../../sources/piece.ts'
import { protobufContent } from '../../sources/protobuf/protobufContent.ts'
import { containerOf, headLength, signalIn, type RequestFormat } from '../../sources/requestFormat.ts'
import { GrowingJson } from './growingJson.ts'
import { GrowingMessages } from './growingMessages.ts'
import { nothingTaken, UnreadableError, type GrowingReader, type Place, type ReaderState, type Sink, type Taken } from './growingReader.ts'

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** Export requests of a file that grows; the first bytes show how they are written. */
export class GrowingOtlp implements GrowingReader {
  readonly #origin: SourceObject
  readonly #format: RequestFormat | undefined
  #reader: GrowingReader | undefined

  constructor(origin: SourceObject, format: RequestFormat | undefined, state?: ReaderState) {
    this.#origin = origin
    this.#format = format
    if (state?.kind === 'json') this.#reader = new GrowingJson(this.#give, state.line)
    else if (state?.kind === 'delimited') this.#reader = new GrowingMessages(this.#give, format, state)
    else if (state?.kind === 'message') this.#reader = new WholeMessage(this.#give, format)
  }

  get isWhole(): boolean {
    return this.#reader?.isWhole ?? false
  }

  get most(): number {
    return this.#reader?.most ?? maxRequestBytes
  }

  /** @throws UnreadableError if it is neither JSON nor protobuf. */
  take(bytes: Uint8Array, place: Place, sink: Sink): Taken {
    const mark = place.from === 0 && byteOrderMark.equals(bytes.subarray(0, byteOrderMark.length)) ? byteOrderMark.length : 0
    if (mark > 0) {
      const { read, safe } = this.take(bytes.subarray(mark), { ...place, from: mark }, sink)
      return { read: read === 0 ? 0 : read + mark, safe: safe && { ...safe, at: safe.at + mark } }
    }
    if (this.#reader === undefined) {
      if (bytes.length === 0) return nothingTaken
      const container = containerOf(bytes.subarray(0, headLength), this.#format)
      const isSure = bytes.length >= headLength || place.isEnd || place.isSettled || container === 'text'
      if (!isSure) return nothingTaken
      if (container === undefined) throw new UnreadableError('neither JSON nor protobuf of OTLP, nor gzip or zstd of these')
      this.#reader =
        container === 'text'
          ? new GrowingJson(this.#give)
          : container === 'delimited'
            ? new GrowingMessages(this.#give, this.#format)
            : new WholeMessage(this.#give, this.#format)
    }
    return this.#reader.take(bytes, place, sink)
  }

  tell(sink: Sink): void {
    this.#reader?.tell(sink)
  }

  rest(sink: Sink): ReaderState | undefined {
    return this.#reader?.rest(sink)
  }

  readonly #give = (piece: Piece, sink: Sink): void => {
    const { line } = piece
    const request = 'problem' in piece ? { reason: piece.problem } : requestOf(piece.content, piece.bytes, this.#origin, line)
    if ('reason' in request) return sink.problem(line, request.reason)
    for (const refused of request.refusedRecords) sink.refused(line, refused)
    sink.request(request)
  }
}

/** A file that is one message: it is read when it has not changed for a while. */
class WholeMessage implements GrowingReader {
  readonly isWhole = true
  readonly most = maxRequestBytes + 1
  readonly #give: (piece: Piece, sink: Sink) => void
  readonly #format: RequestFormat | undefined

  constructor(give: (piece: Piece, sink: Sink) => void, format: RequestFormat | undefined) {
    this.#give = give
    this.#format = format
  }

  take(bytes: Uint8Array, { isEnd, from }: Place, sink: Sink): Taken {
    const isTooLong = bytes.length > maxRequestBytes
    if ((!isEnd && !isTooLong) || bytes.length === 0) return nothingTaken
    if (isTooLong) throw new UnreadableError(`a message longer than ${maxRequestBytes} bytes`)
    const content = protobufContent(bytes, signalIn(this.#format))
    const line = 1
    if (from > 0) this.#give({ line, problem: `one message was read, and ${bytes.length} bytes have come after it` }, sink)
    else this.#give('reason' in content ? { line, problem: content.reason } : { line, bytes, content }, sink)
    return { read: bytes.length, safe: { at: bytes.length, state: { kind: 'message' } } }
  }

  tell(): void {}

  rest(): undefined {
    return undefined
  }
}
