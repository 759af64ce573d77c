import { minuteMilliseconds } from '../windows/ingestWindow.ts'

/** The increase of a cumulative series, and its start in milliseconds. */
export interface Increase<Value> {
  value: Value
  since: number
}

/**
 * A first point counts only if its series began at most this long before; otherwise the time over
 * which it gained its value is unknown.
 */
const freshMilliseconds = 5 * 60_000
/** After this long without a point a run is forgotten: its next point is a first one again. */
export const forgetMilliseconds = 60 * 60_000

/** The last point of a run. */
export interface Run<Value> {
  time: number
  value: Value
}

/**
 * Turns the points of one cumulative series, given in order of time, into increases.
 *
 * A run of a series is all its points with one start time. Two processes that report one series
 * without different attributes are two runs.
 *
 * | a point | its increase | since |
 * |---|---|---|
 * | above the one before in its run | the difference | the point before |
 * | below it: the counter was reset without a new start time | its value | the point before, at least a minute ago |
 * | the first of a run that began in the last five minutes | its value | the run's start, at least a minute ago |
 * | the first of a run that began after the last point of all runs: a restart | its value | the run's start, at least a minute ago or at that point |
 * | the first of any other run | unknown: it only sets the baseline | |
 *
 * At least a minute, since a row covers one minute and a start time may be invented: after a reset
 * the Collector writes the millisecond before the point as the start. That alone would turn 30
 * requests into 30,000 a second.
 */
export class CumulativeSeries<Value> {
  readonly #runs: Map<number, Run<Value>>
  readonly #subtract: (now: Value, before: Value) => Value | null
  #lastTime: number

  /**
   * @param subtract the increase between two points; null if the later one is not above the
   * earlier.
   * @param runs the last point of each run so far, by the run's start.
   * @param lastTime the latest of them.
   */
  constructor(subtract: (now: Value, before: Value) => Value | null, runs = new Map<number, Run<Value>>(), lastTime = -Infinity) {
    this.#subtract = subtract
    this.#runs = runs
    this.#lastTime = lastTime
  }

  get runs(): ReadonlyMap<number, Run<Value>> {
    return this.#runs
  }

  get lastTime(): number {
    return this.#lastTime
  }

  /**
   * @param start 0 if it is not known.
   * @returns the increase; null if the point only sets the baseline.
   */
  advance(start: number, time: number, value: Value): Increase<Value> | null {
    // Whether a series is forgotten depends on its times alone, not on when `forget` was called.
    const lastTime = time - this.#lastTime > forgetMilliseconds ? -Infinity : this.#lastTime
    const last = this.#runs.get(start)
    const run = last === undefined || time - last.time > forgetMilliseconds ? undefined : last
    this.#runs.set(start, { time, value })
    this.#lastTime = Math.max(this.#lastTime, time)
    if (run !== undefined) {
      if (time <= run.time) {
        this.#runs.set(start, run)
        return null
      }
      const gained = this.#subtract(value, run.value)
      return gained === null ? { value, since: Math.min(run.time, time - minuteMilliseconds) } : { value: gained, since: run.time }
    }
    for (const [other, { time: last }] of this.#runs) if (time - last > forgetMilliseconds) this.#runs.delete(other)
    const known = start > 0 && start < time
    const restarted = lastTime > -Infinity && start >= lastTime
    const since = Math.min(start, Math.max(lastTime, time - minuteMilliseconds))
    return known && (time - start <= freshMilliseconds || restarted) ? { value, since } : null
  }

  /** Whether the series has been silent for so long that its next point is a first one. */
  isForgotten(time: number): boolean {
    return time - this.#lastTime > forgetMilliseconds
  }
}
