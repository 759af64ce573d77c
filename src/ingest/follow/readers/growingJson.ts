import { JsonText } from '../../sources/jsonObjects.ts'
import { maxRequestBytes, type Piece } from '../../sources/piece.ts'
import { nothingTaken, type GrowingReader, type Place, type ReaderState, type Sink, type Taken } from './growingReader.ts'

const newline = 10

/** Requests in JSON, on a line each or over several lines: whole lines are read. */
export class GrowingJson implements GrowingReader {
  readonly isWhole = false
  readonly most = maxRequestBytes + 1
  readonly #text: JsonText
  readonly #give: (piece: Piece, sink: Sink) => void

  /** @param give passes on what a piece is. */
  constructor(give: (piece: Piece, sink: Sink) => void, line = 1) {
    this.#text = new JsonText(maxRequestBytes, line)
    this.#give = give
  }

  take(bytes: Uint8Array, { isEnd }: Place, sink: Sink): Taken {
    let read = 0
    let safe: Taken['safe']
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, read)) {
      for (const piece of this.#text.read(bytes.subarray(read, end + 1))) this.#give(piece, sink)
      read = end + 1
      if (this.#text.isAtRest) safe = { at: read, state: this.#state() }
    }
    // A line that is longer than a request can be is read in pieces, which are thrown away.
    const rest = bytes.length - read
    if (rest > 0 && (isEnd || rest >= this.most)) {
      for (const piece of this.#text.read(bytes.subarray(read))) this.#give(piece, sink)
      read = bytes.length
    }
    if (isEnd) {
      for (const piece of this.#text.end()) this.#give(piece, sink)
      safe = { at: read, state: this.#state() }
    }
    return read === 0 && !isEnd ? nothingTaken : { read, safe }
  }

  tell(sink: Sink): void {
    for (const piece of this.#text.tell()) this.#give(piece, sink)
  }

  rest(sink: Sink): undefined {
    this.tell(sink)
    return undefined
  }

  #state(): ReaderState {
    return { kind: 'json', line: this.#text.line }
  }
}
