const blockLength = 4096

/**
 * Texts of bytes that are ASCII.
 *
 * They are parts of the text of a block, which take a third of the time of texts of their own.
 * A block is small, since one text that is kept holds all of its block in memory.
 */
export class LatinTexts {
  readonly #bytes: Uint8Array
  readonly #end: number
  #block = ''
  #from = 0

  /** @param end where the bytes end that texts are made of. */
  constructor(bytes: Uint8Array, end: number) {
    this.#bytes = bytes
    this.#end = end
  }

  part(from: number, to: number): string {
    if (to - from > blockLength) return this.whole(from, to)
    if (from < this.#from || to > this.#from + this.#block.length) {
      this.#block = this.whole(from, Math.min(from + blockLength, this.#end))
      this.#from = from
    }
    return this.#block.slice(from - this.#from, to - this.#from)
  }

  /** A text of its own. */
  whole(from: number, to: number): string {
    return Buffer.prototype.latin1Slice.call(this.#bytes, from, to)
  }
}
