/** A value, and the bytes it was read from. */
interface Known<T> {
  readonly key: Uint8Array
  readonly kind: number
  readonly value: T
}

/** How many bytes the keys of a full table have, for each of its values. */
const meanLength = 1024

/**
 * Values by the bytes that they were read from, so that what occurs many times is made once. Bytes
 * of another kind have another meaning.
 *
 * Its size is fixed: what comes for the second time takes the place of what was there. What comes
 * once, as an id does, takes nobody's place. When the bytes of all values are too many, all are
 * forgotten: a value may take fifty times the memory of its bytes.
 */
export class ByteTable<T> {
  readonly #known: (Known<T> | undefined)[]
  /** The hash of what came last to each place. */
  readonly #came: Int32Array
  /** For each place, the place of what was found after it the last time. */
  readonly #following: Int32Array
  readonly #longest: number
  /** How many bytes all keys have. */
  #length = 0
  /** The place of what was found last. */
  #last = 0

  /**
   * @param size how many values; a power of two.
   * @param longest more bytes than this are never kept.
   */
  constructor(size: number, longest: number) {
    this.#known = Array.from({ length: size })
    this.#came = new Int32Array(size)
    this.#following = new Int32Array(size)
    this.#longest = longest
  }

  /**
   * What was found after the value before, if its bytes begin here: most things come in order
   * again.
   */
  guess(bytes: Uint8Array, from: number, kind: number): Known<T> | undefined {
    const place = this.#following[this.#last]!
    const known = this.#known[place]
    if (known === undefined || known.kind !== kind || !beginsAt(known.key, bytes, from)) return undefined
    this.#last = place
    return known
  }

  get(bytes: Uint8Array, from: number, to: number, kind = 0): T | undefined {
    if (to - from > this.#longest) return undefined
    const place = (hashOf(bytes, from, to) ^ kind) & (this.#came.length - 1)
    const known = this.#known[place]
    if (known === undefined || known.kind !== kind || known.key.length !== to - from || !beginsAt(known.key, bytes, from)) return undefined
    this.#following[this.#last] = place
    this.#last = place
    return known.value
  }

  /** Adds what `get` did not find, if it came before; returns whether it did. */
  add(bytes: Uint8Array, from: number, to: number, value: T, kind = 0): boolean {
    if (to - from > this.#longest) return false
    const hash = hashOf(bytes, from, to) ^ kind
    const place = hash & (this.#came.length - 1)
    const again = this.#came[place] === hash
    this.#came[place] = hash
    if (again) this.#keep(place, { key: new Uint8Array(bytes.subarray(from, to)), kind, value })
    return again
  }

  /** @param known its key is a copy: a part of the request would keep all of it in memory. */
  #keep(place: number, known: Known<T>): void {
    this.#length += known.key.length - (this.#known[place]?.key.length ?? 0)
    if (this.#length > this.#known.length * meanLength) {
      this.#known.fill(undefined)
      this.#length = known.key.length
    }
    this.#known[place] = known
  }
}

function beginsAt(key: Uint8Array, bytes: Uint8Array, from: number): boolean {
  if (from + key.length > bytes.length) return false
  for (let at = 0; at < key.length; at += 1) if (key[at] !== bytes[from + at]) return false
  return true
}

/** In the manner of FNV-1a, four bytes at a time. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5 ^ (to - from)
  let at = from
  for (; at + 4 <= to; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x01000193)
    hash ^= hash >>> 15
  }
  for (; at < to; at += 1) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash ^ (hash >>> 16)
}
