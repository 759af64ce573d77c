import type { OtlpRequest } from '../../sources/otlpRequest.ts'
import { extentOf } from '../../sources/timeExtent.ts'
import type { RollUpReport } from './rollUpReport.ts'
import type { TelemetryClock } from './telemetryClock.ts'

/** A record this far ahead of all others has a broken clock. */
const maxLead = 86_400_000
/** So many requests in a row that far ahead are no broken clock but a gap in the data. */
const believedRequests = 8

/**
 * Decides which requests are taken: not those whose bytes have come before, and not yet those whose
 * times cannot be believed.
 */
export class RequestGate {
  readonly #clock: TelemetryClock
  readonly #report: RollUpReport
  /** The digests of the requests that came, and the latest time in each. */
  readonly #digests = new Map<string, number>()
  /** The time it is about, by the requests that were believed. */
  #believed = -Infinity
  #begun = false
  /** Requests whose times are not believed yet. */
  #held: OtlpRequest[] = []

  constructor(clock: TelemetryClock, report: RollUpReport) {
    this.#clock = clock
    this.#report = report
  }

  /** A record after this has a broken clock. `newest` is the newest time that was taken. */
  believableTo(newest: number): number {
    return Math.max(newest, this.#believed) + maxLead
  }

  /**
   * The requests to take now that this one has come.
   *
   * The first eight are held until their median says what time it is; later ones only when even
   * their earliest record cannot be believed.
   */
  admit(request: OtlpRequest, newest: number): OtlpRequest[] {
    this.#report.requests += 1
    if (this.#digests.has(request.digest)) {
      this.#report.duplicateRequests += 1
      return []
    }
    const { earliest, latest } = this.#extent(request)
    this.#digests.set(request.digest, latest)
    // Without a single time there is nothing to believe.
    if (earliest === Infinity) return [request]
    if (!this.#begun || earliest > this.believableTo(newest)) {
      this.#held.push(request)
      return this.#held.length < believedRequests ? [] : this.#believeHeld()
    }
    // Time went on without them.
    const broken = this.#held
    this.#held = []
    return [...broken, request]
  }

  /**
   * The requests that are still held at the end. Two or more that agree are believed, as is
   * everything where nothing else came.
   */
  admitHeld(): OtlpRequest[] {
    if (this.#held.length > 1 || !this.#begun) return this.#believeHeld()
    const rest = this.#held
    this.#held = []
    return rest
  }

  /**
   * Forgets the digests of requests without a record at or after `closedTo`: such records are late
   * anyway.
   */
  forget(closedTo: number): void {
    for (const [digest, latest] of this.#digests) if (latest < closedTo) this.#digests.delete(digest)
  }

  #believeHeld(): OtlpRequest[] {
    const held = this.#held
    this.#held = []
    const times = held.map((request) => this.#extent(request).earliest).sort((a, b) => a - b)
    this.#believed = Math.max(this.#believed, times[Math.floor((times.length - 1) / 2)] ?? -Infinity)
    this.#begun = true
    return held
  }

  /**
   * The times between which a request's records lie; from Infinity to -Infinity when it has none.
   */
  #extent({ payload }: OtlpRequest): { earliest: number; latest: number } {
    const extent = extentOf(payload)
    if (extent === undefined) return { earliest: Infinity, latest: -Infinity }
    return { earliest: this.#clock.milliseconds(extent.earliest), latest: this.#clock.milliseconds(extent.latest) }
  }
}
