import { breaksOff, documentOf, prefixLength } from '../../sources/delimitedMessages.ts'
import { maxRequestBytes, type Piece } from '../../sources/piece.ts'
import { beginsDelimited, delimitedHeadLength, type RequestFormat } from '../../sources/requestFormat.ts'
import { nothingTaken, type GrowingReader, type Place, type ReaderState, type Sink, type Taken } from './growingReader.ts'

/**
 * Messages that are preceded by their length: whole ones are read. After a damaged one reading
 * continues at the next place that looks like a message.
 */
export class GrowingMessages implements GrowingReader {
  readonly isWhole = false
  readonly most = maxRequestBytes + prefixLength + delimitedHeadLength
  readonly #give: (piece: Piece, sink: Sink) => void
  readonly #format: RequestFormat | undefined
  /** The number of the message before. */
  #line: number
  /** Whether bytes are passed over that were reported already. */
  #isLost: boolean

  constructor(
    give: (piece: Piece, sink: Sink) => void,
    format: RequestFormat | undefined,
    { line = 0, isLost = false }: { line?: number; isLost?: boolean } = {},
  ) {
    this.#give = give
    this.#format = format
    this.#line = line
    this.#isLost = isLost
  }

  take(bytes: Uint8Array, { from, isEnd }: Place, sink: Sink): Taken {
    let at = 0
    const head = (of: number) => bytes.subarray(of, of + delimitedHeadLength)
    const canTell = (of: number) => isEnd || bytes.length - of >= delimitedHeadLength
    while (at < bytes.length) {
      if (!beginsDelimited(head(at))) {
        let next = at
        while (next < bytes.length && canTell(next) && !beginsDelimited(head(next))) next += 1
        if (next === at) break
        if (!this.#isLost && bytes.subarray(at, next).some((byte) => byte !== 0)) {
          this.#give({ line: this.#line + 1, problem: `there is no message from byte ${from + at} on` }, sink)
        }
        this.#isLost = true
        at = next
        continue
      }
      const length = Buffer.from(bytes.subarray(at, at + prefixLength)).readUInt32BE()
      const end = at + prefixLength + length
      if (end > bytes.length && !isEnd) break
      const next = head(end)
      if (next.length > 0 && !canTell(end) && !beginsDelimited(next)) break
      this.#line += 1
      this.#isLost = false
      const body = bytes.subarray(at + prefixLength, end)
      const read =
        body.length < length
          ? { reason: `it ends after ${body.length} of ${length} bytes` }
          : documentOf(body, maxRequestBytes, this.#format)
      if ('reason' in read || breaksOff(body, read.damaged, next)) {
        const reason = 'reason' in read ? read.reason : 'it ends early'
        this.#give({ line: this.#line, problem: `${reason} (the message at byte ${from + at})` }, sink)
        this.#isLost = true
        at += prefixLength
        continue
      }
      this.#give({ line: this.#line, bytes: read.bytes, content: read.content }, sink)
      at = end
    }
    return at === 0 ? nothingTaken : { read: at, safe: { at, state: this.#state() } }
  }

  tell(): void {}

  rest(): undefined {
    return undefined
  }

  #state(): ReaderState {
    return { kind: 'delimited', line: this.#line, isLost: this.#isLost }
  }
}
