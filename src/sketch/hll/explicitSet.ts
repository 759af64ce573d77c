/** A set of 64-bit hashes in ascending order, stored as 32-bit halves to avoid bigints. */
export class ExplicitSet {
  #highs: Int32Array
  #lows: Int32Array
  #size = 0

  constructor(capacity: number) {
    this.#highs = new Int32Array(capacity)
    this.#lows = new Int32Array(capacity)
  }

  get size(): number {
    return this.#size
  }

  high(at: number): number {
    return this.#highs[at]!
  }

  low(at: number): number {
    return this.#lows[at]!
  }

  /** The index of the hash, or `-1 - at` for the index where it would be inserted. */
  find(low: number, high: number): number {
    let first = 0
    let end = this.#size
    while (first < end) {
      const middle = (first + end) >>> 1
      const order = this.#highs[middle]! - high || (this.#lows[middle]! >>> 0) - (low >>> 0)
      if (order === 0) return middle
      if (order < 0) first = middle + 1
      else end = middle
    }
    return -1 - first
  }

  /** Inserts at the index that `find` gave. */
  insert(at: number, low: number, high: number): void {
    if (this.#size === this.#lows.length) {
      this.#highs = grown(this.#highs)
      this.#lows = grown(this.#lows)
    }
    this.#highs.copyWithin(at + 1, at, this.#size)
    this.#lows.copyWithin(at + 1, at, this.#size)
    this.#highs[at] = high
    this.#lows[at] = low
    this.#size += 1
  }

  /** The number of hashes in both sets. */
  common(other: ExplicitSet): number {
    let count = 0
    for (let at = 0; at < this.#size; at += 1) if (other.find(this.#lows[at]!, this.#highs[at]!) >= 0) count += 1
    return count
  }

  copy(): ExplicitSet {
    const copy = new ExplicitSet(this.#size)
    copy.#highs.set(this.#highs.subarray(0, this.#size))
    copy.#lows.set(this.#lows.subarray(0, this.#size))
    copy.#size = this.#size
    return copy
  }
}

function grown(from: Int32Array): Int32Array {
  const to = new Int32Array(Math.max(4, 2 * from.length))
  to.set(from)
  return to
}
