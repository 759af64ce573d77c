import { subtractDistribution, type Distribution } from '../../records/distribution.ts'
import { subtractSummary, type Summary } from '../../records/summary.ts'
import { CumulativeSeries } from './cumulativeSeries.ts'
import { getOrCreate } from './getOrCreate.ts'

/**
 * What has to be remembered of metrics from one window to the next: the last points of cumulative
 * series, the running totals of delta gauges, when a delta counter had its last point.
 */
export class MetricMemory {
  readonly #numbers = new Map<string, CumulativeSeries<number>>()
  readonly #distributions = new Map<string, CumulativeSeries<Distribution>>()
  readonly #summaries = new Map<string, CumulativeSeries<Summary>>()
  readonly #totals = new Map<string, { value: number; time: number }>()
  readonly #lastTimes = new Map<string, number>()

  number(id: string): CumulativeSeries<number> {
    return getOrCreate(this.#numbers, id, () => new CumulativeSeries((now, before) => (now < before ? null : now - before)))
  }

  distribution(id: string): CumulativeSeries<Distribution> {
    return getOrCreate(this.#distributions, id, () => new CumulativeSeries(subtractDistribution))
  }

  summary(id: string): CumulativeSeries<Summary> {
    return getOrCreate(this.#summaries, id, () => new CumulativeSeries(subtractSummary))
  }

  /**
   * The total of a delta gauge after a change. It starts at zero, with the first change that is
   * seen.
   */
  total(id: string, change: number, time: number): number {
    const value = (this.#totals.get(id)?.value ?? 0) + change
    this.#totals.set(id, { value, time })
    return value
  }

  /** The time of the point before this one; null for the first. */
  previousTime(id: string, time: number): number | null {
    const previous = this.#lastTimes.get(id) ?? null
    this.#lastTimes.set(id, time)
    return previous
  }

  /** Forgets series that have been silent for an hour. Totals stay: nothing else knows them. */
  forget(now: number): void {
    for (const memory of [this.#numbers, this.#distributions, this.#summaries]) {
      for (const [id, series] of memory) if (series.isForgotten(now)) memory.delete(id)
    }
    for (const [id, time] of this.#lastTimes) if (now - time > 3_600_000) this.#lastTimes.delete(id)
  }
}
