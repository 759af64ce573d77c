/** What a cumulative series gained, and since when (milliseconds). */
export interface Increase<Value> {
  value: Value
  since: number
}

/** A first point says something by itself only when its series began this shortly before: otherwise its value is the gain of who knows how long. */
const freshMilliseconds = 300_000
/** A series' run that has been silent for this long is forgotten: its next point is a first one again. */
const forgetMilliseconds = 3_600_000

interface Run<Value> {
  time: number
  value: Value
}

/**
 * The memory of one cumulative series: turns its points, given in the order of time, into increases.
 *
 * A run of the series is told by its start time. Within a run a point gains what it is above the one before; where it is below, the counter was reset
 * in between without saying so, and its value is what it gained since the point before. The first point of a run gained its value since the run's
 * start if the run began within the last five minutes or after the last point of the run before it (a restart); else it only sets the baseline.
 * Keeping runs apart by their start also keeps two processes apart that report one series without telling themselves apart.
 */
export class CumulativeSeries<Value> {
  readonly #runs = new Map<number, Run<Value>>()
  readonly #subtract: (now: Value, before: Value) => Value | null
  #lastTime = -Infinity

  /** @param subtract the gain between two points, null when the later one is not above the earlier. */
  constructor(subtract: (now: Value, before: Value) => Value | null) {
    this.#subtract = subtract
  }

  /** When the series last had a point: milliseconds, -Infinity before the first. */
  get lastTime(): number {
    return this.#lastTime
  }

  /** @returns the increase, or null where the point only sets the baseline. `start` is 0 when it is not known. */
  advance(start: number, time: number, value: Value): Increase<Value> | null {
    const run = this.#runs.get(start)
    this.#runs.set(start, { time, value })
    const lastTime = this.#lastTime
    this.#lastTime = Math.max(lastTime, time)
    if (run !== undefined) {
      if (time <= run.time) {
        this.#runs.set(start, run)
        return null
      }
      return { value: this.#subtract(value, run.value) ?? value, since: run.time }
    }
    for (const [other, { time: last }] of this.#runs) if (time - last > forgetMilliseconds) this.#runs.delete(other)
    const known = start > 0 && start < time
    const restarted = lastTime > -Infinity && start >= lastTime
    return known && (time - start <= freshMilliseconds || restarted) ? { value, since: start } : null
  }

  /** Whether nothing that is still to come could need this memory. */
  isForgotten(time: number): boolean {
    return time - this.#lastTime > forgetMilliseconds
  }
}
