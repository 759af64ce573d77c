/** Makes a bigint of nanoseconds, many times faster than by BigInt's own arithmetic. */
export class Nanoseconds {
  readonly #value = new BigUint64Array(1)
  readonly #halves = new Uint32Array(this.#value.buffer)

  /** @param high above 2^32, or the bits as a negative number. */
  ofHalves(high: number, low: number): bigint {
    this.#halves[littleEndian ? 1 : 0] = high
    this.#halves[littleEndian ? 0 : 1] = low
    return this.#value[0]!
  }

  /** `high * 10^digits + low`, for at most ten digits in `high` and nine in `low`. */
  ofDecimal(high: number, low: number, digits: number): bigint {
    const factor = powers[digits]!
    // Two products below 2^53 each: the upper and the lower 16 bits of the factor's part.
    const upper = Math.floor(high / 65536) * factor
    const lower = (high % 65536) * factor + low
    const carried = (upper % 65536) * 65536 + lower
    return this.ofHalves(Math.floor(upper / 65536) + Math.floor(carried / 2 ** 32), carried % 2 ** 32)
  }
}

const powers = Array.from({ length: 10 }, (_, digits) => 10 ** digits)
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
