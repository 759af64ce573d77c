import { subtractDistribution, type Distribution } from '../../records/distribution.ts'
import { subtractSummary, type Summary } from '../../records/summary.ts'
import type { PointValue } from '../../records/pointValue.ts'
import { CumulativeSeries, forgetMilliseconds } from './cumulativeSeries.ts'
import { getOrCreate } from './getOrCreate.ts'
import { packedValue, unpackedValue, type PackedValue } from './packedValue.ts'

/** The memory as JSON, by the series' ids. */
export interface PackedMemory {
  runs: [id: string, form: keyof typeof subtractions, lastTime: number, runs: [start: number, time: number, value: PackedValue][]][]
  totals: [id: string, value: number, time: number][]
  lastTimes: [id: string, time: number][]
}

const subtractions = {
  number: (now: number, before: number) => (now < before ? null : now - before),
  distribution: subtractDistribution,
  summary: subtractSummary,
} as const

/**
 * What must be remembered of one resource's metrics from one window to the next: the last points of
 * cumulative series, the running totals of delta gauges, the time of a delta counter's last point.
 * A series is forgotten after an hour of silence.
 */
export class MetricMemory {
  readonly #numbers = new Map<string, CumulativeSeries<number>>()
  readonly #distributions = new Map<string, CumulativeSeries<Distribution>>()
  readonly #summaries = new Map<string, CumulativeSeries<Summary>>()
  readonly #totals = new Map<string, { value: number; time: number }>()
  readonly #lastTimes = new Map<string, number>()

  number(id: string): CumulativeSeries<number> {
    return getOrCreate(this.#numbers, id, () => new CumulativeSeries(subtractions.number))
  }

  distribution(id: string): CumulativeSeries<Distribution> {
    return getOrCreate(this.#distributions, id, () => new CumulativeSeries(subtractions.distribution))
  }

  summary(id: string): CumulativeSeries<Summary> {
    return getOrCreate(this.#summaries, id, () => new CumulativeSeries(subtractions.summary))
  }

  /**
   * The total of a delta gauge after a change. It starts at zero with the first change, and again
   * after an hour of silence.
   */
  total(id: string, change: number, time: number): number {
    const known = this.#totals.get(id)
    const value = (known === undefined || time - known.time > forgetMilliseconds ? 0 : known.value) + change
    this.#totals.set(id, { value, time })
    return value
  }

  /** The time of the point before this one; null for the first. */
  previousTime(id: string, time: number): number | null {
    const previous = this.#lastTimes.get(id)
    this.#lastTimes.set(id, time)
    return previous === undefined || time - previous > forgetMilliseconds ? null : previous
  }

  /** Frees the memory of silent series; changes no result. */
  forget(now: number): void {
    for (const memory of [this.#numbers, this.#distributions, this.#summaries]) {
      for (const [id, series] of memory) if (series.isForgotten(now)) memory.delete(id)
    }
    for (const [id, { time }] of this.#totals) if (now - time > forgetMilliseconds) this.#totals.delete(id)
    for (const [id, time] of this.#lastTimes) if (now - time > forgetMilliseconds) this.#lastTimes.delete(id)
  }

  /** The memory for JSON; undefined if it is empty. */
  pack(): PackedMemory | undefined {
    const memory: PackedMemory = {
      runs: [
        ...packedRuns('number', this.#numbers),
        ...packedRuns('distribution', this.#distributions),
        ...packedRuns('summary', this.#summaries),
      ],
      totals: [...this.#totals].map(([id, { value, time }]) => [id, value, time]),
      lastTimes: [...this.#lastTimes],
    }
    return memory.runs.length + memory.totals.length + memory.lastTimes.length === 0 ? undefined : memory
  }

  /**
   * Restores a memory that ends later than anything here: if both have a series, the restored one
   * counts.
   */
  restore({ runs, totals, lastTimes }: PackedMemory): void {
    for (const [id, form, lastTime, list] of runs) {
      if (form === 'number') this.#numbers.set(id, restored(subtractions.number, lastTime, list))
      else if (form === 'distribution') this.#distributions.set(id, restored(subtractions.distribution, lastTime, list))
      else this.#summaries.set(id, restored(subtractions.summary, lastTime, list))
    }
    for (const [id, value, time] of totals) this.#totals.set(id, { value, time })
    for (const [id, time] of lastTimes) this.#lastTimes.set(id, time)
  }
}

const packedRuns = <Value extends PointValue>(
  form: keyof typeof subtractions,
  memory: ReadonlyMap<string, CumulativeSeries<Value>>,
): PackedMemory['runs'] =>
  [...memory].map(([id, { lastTime, runs }]) => [
    id,
    form,
    lastTime,
    [...runs].map(([start, { time, value }]) => [start, time, packedValue(value)]),
  ])

function restored<Value extends PointValue>(
  subtract: (now: Value, before: Value) => Value | null,
  lastTime: number,
  runs: PackedMemory['runs'][number][3],
): CumulativeSeries<Value> {
  // Each form is restored as it was packed.
  return new CumulativeSeries(
    subtract,
    new Map(runs.map(([start, time, value]) => [start, { time, value: unpackedValue(value) as Value }])),
    lastTime,
  )
}
