/** Turns OTLP's times, nanoseconds since 1970, into milliseconds, shifted as the caller wishes. */
export class TelemetryClock {
  readonly #shift: bigint
  readonly shiftMs: number

  /** @param shift whole milliseconds that are added to every time. */
  constructor(shift: number) {
    this.shiftMs = shift
    this.#shift = BigInt(shift) * 1_000_000n
  }

  /** Whole milliseconds, rounded down: they decide on windows and minutes. */
  milliseconds(nanoseconds: bigint): number {
    return Number((nanoseconds + this.#shift) / 1_000_000n)
  }

  /** Milliseconds with their fraction, to a quarter of a microsecond. */
  precise(nanoseconds: bigint): number {
    const shifted = nanoseconds + this.#shift
    return Number(shifted / 1_000_000n) + Number(shifted % 1_000_000n) / 1e6
  }
}

/** A record this far ahead of every clock we have has a broken one. */
const maxLead = 86_400_000

/** The latest time that a record may have, by what the clocks at hand say; all in milliseconds. */
export const latestBelievable = (...clocks: number[]): number => Math.max(...clocks) + maxLead
