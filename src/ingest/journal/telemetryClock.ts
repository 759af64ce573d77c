/**
 * Converts OTLP's times (nanoseconds since 1970) into milliseconds, with the caller's shift added.
 */
export class TelemetryClock {
  readonly #shift: bigint
  readonly shiftMs: number

  /** @param shift whole milliseconds, added to every time. */
  constructor(shift: number) {
    this.shiftMs = shift
    this.#shift = BigInt(shift) * 1_000_000n
  }

  /** Whole milliseconds, rounded down, to find windows and minutes. */
  milliseconds(nanoseconds: bigint): number {
    return Number((nanoseconds + this.#shift) / 1_000_000n)
  }

  /** Milliseconds with their fraction, exact to a quarter of a microsecond. */
  precise(nanoseconds: bigint): number {
    const shifted = nanoseconds + this.#shift
    return Number(shifted / 1_000_000n) + Number(shifted % 1_000_000n) / 1e6
  }
}

/** A record this far ahead of all our clocks comes from a wrong clock. */
const maxLead = 86_400_000

/** The latest time that a record may have, given the clocks we can read; all in milliseconds. */
export const latestBelievable = (...clocks: number[]): number => Math.max(...clocks) + maxLead
