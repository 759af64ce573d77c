import type { SourceObject } from '../../sources/otlpRequest.ts'
import { windowMilliseconds } from './ingestWindow.ts'
import { OpenWindow } from './openWindow.ts'
import type { RollUpReport } from './rollUpReport.ts'

/** One request whose records go into windows. */
export interface Arrival {
  readonly origin: SourceObject
  /** The line in the source object, from 1. */
  readonly line: number
  /**
   * The window of a time in milliseconds; undefined, and the record counted, when it cannot be
   * taken.
   */
  windowOf(time: number): OpenWindow | undefined
}

/**
 * The windows that still take records. A window closes when a record `lateness` past its end has
 * come.
 */
export class OpenWindows {
  readonly #lateness: number
  readonly #report: RollUpReport
  readonly #windows = new Map<number, OpenWindow>()
  #newest = -Infinity
  #closedTo = -Infinity

  /** @param lateness milliseconds. */
  constructor(lateness: number, report: RollUpReport) {
    this.#lateness = lateness
    this.#report = report
  }

  /** The newest time that was taken, in milliseconds: it closes windows. */
  get newest(): number {
    return this.#newest
  }

  /** All windows before this have closed. */
  get closedTo(): number {
    return this.#closedTo
  }

  /**
   * Takes the records of one request.
   *
   * @param believableTo a record after this has a broken clock.
   */
  take({ origin, line }: Pick<Arrival, 'origin' | 'line'>, believableTo: number, add: (arrival: Arrival) => void): void {
    // Counts when the request is in: its own records must not make each other late.
    let newest = this.#newest
    const windowOf = (time: number): OpenWindow | undefined => {
      if (time > believableTo) {
        this.#report.futureRecords += 1
        return undefined
      }
      const from = Math.floor(time / windowMilliseconds) * windowMilliseconds
      if (from < this.#closedTo) {
        this.#report.lateRecords += 1
        return undefined
      }
      newest = Math.max(newest, time)
      let window = this.#windows.get(from)
      if (window === undefined) this.#windows.set(from, (window = new OpenWindow(from)))
      return window
    }
    add({ origin, line, windowOf })
    this.#newest = newest
  }

  /**
   * Moves on to where no record can be taken any more.
   *
   * @param all nothing comes any more: to the end of time.
   * @returns whether there was anything to move on to; `closed` then gives the windows.
   */
  advance(all: boolean): boolean {
    const closedTo = all
      ? Infinity
      : Math.max(this.#closedTo, Math.floor((this.#newest - this.#lateness) / windowMilliseconds) * windowMilliseconds)
    if (!(closedTo > this.#closedTo)) return false
    this.#closedTo = closedTo
    return true
  }

  /**
   * The windows that have closed, in the order of time; each is forgotten when it is handed out.
   */
  *closed(): Generator<OpenWindow> {
    const froms = [...this.#windows.keys()].filter((from) => from < this.#closedTo).sort((a, b) => a - b)
    for (const from of froms) {
      const window = this.#windows.get(from)!
      this.#windows.delete(from)
      yield window
    }
  }
}
