import { compareValues, type PointValue } from '../../records/pointValue.ts'
import { minuteMilliseconds, type MetricRow } from '../windows/ingestWindow.ts'
import type { RollUpReport } from '../windows/rollUpReport.ts'
import { getOrCreate } from './getOrCreate.ts'
import type { MetricMemory } from './metricMemory.ts'
import type { MetricSeries, SeriesPoint } from './metricSeries.ts'
import { MinuteTally } from './minuteTally.ts'

/** Collects the metric points of one window, in any order. */
export class MetricTally {
  readonly #series = new Map<string, { series: MetricSeries; points: SeriesPoint[] }>()

  /** Adds a point of a series. */
  add(series: MetricSeries, point: SeriesPoint): void {
    let entry = this.#series.get(series.id)
    if (entry === undefined) this.#series.set(series.id, (entry = { series, points: [] }))
    entry.points.push(point)
  }

  /** All added points, by series. */
  series(): Iterable<{ series: MetricSeries; points: readonly SeriesPoint[] }> {
    return this.#series.values()
  }

  /** Adds points of a series that another tally has. */
  addSeries(series: MetricSeries, points: readonly SeriesPoint[]): void {
    const { points: all } = getOrCreate(this.#series, series.id, () => ({ series, points: [] }))
    for (const point of points) all.push(point)
  }

  /**
   * One row per minute, and the keys of rows that are absent because their points only set a
   * baseline or observed nothing. Call it window by window in order: cumulative series continue
   * from one to the next.
   *
   * @param memoryOf what is remembered of a resource.
   */
  rows(memoryOf: (resource: string) => MetricMemory, counts: RollUpReport): MetricRows {
    const rows = new Map<string, Map<string, MinuteTally>>()
    const empty = new Map<string, MetricKey>()
    const waiting = new Map<string, number>()
    const told = new Set<SeriesPoint>()
    for (const id of [...this.#series.keys()].sort()) {
      const { series, points } = this.#series.get(id)!
      const memory = memoryOf(series.resource)
      const identity = JSON.stringify([series.resource, series.metric, series.labels]).slice(0, -1)
      // Of two points at one time the greater one counts, in any order of arrival.
      points.sort((a, b) => a.time - b.time || a.start - b.start || compareValues(a.value, b.value))
      for (const [at, point] of points.entries()) {
        const before = points[at - 1]
        if (before !== undefined && before.time === point.time && before.start === point.start) {
          // Each copy counts once.
          const copy = [point, before].find((one) => one.counted && !told.has(one))
          if (copy !== undefined) {
            told.add(copy)
            counts.duplicateRecords += 1
          }
          continue
        }
        const minute = point.minute * minuteMilliseconds
        const key = `${identity},${minute}]`
        const sample = sampleOf(series, point, memory)
        // A rate or a running total outside the range of a double has no row either.
        if (sample === null || (typeof sample === 'number' && !Number.isFinite(sample))) {
          if (point.counted) counts[sample === null ? 'baselinePoints' : 'unusablePoints'] += 1
          if (sample === null) waiting.set(series.resource, (waiting.get(series.resource) ?? 0) + 1)
          empty.set(key, { bucket: new Date(minute), resource: series.resource, metric: series.metric, labels: series.labels })
          continue
        }
        const row = getOrCreate(rows, key, () => new Map<string, MinuteTally>())
        getOrCreate(row, `${series.kind}\0${series.unit ?? ''}`, () => new MinuteTally(series, minute)).add(sample, id, point.counted)
      }
    }
    const gone: MetricKey[] = []
    const made = [...rows.keys()].sort().flatMap((key) => {
      const row = rows.get(key)!
      const [first, ...others] = [...row.keys()].sort()
      for (const other of others) counts.conflictingPoints += row.get(other)!.counted
      const made = row.get(first!)!.row()
      if (made !== null) return made
      gone.push(row.get(first!)!.key)
      return []
    })
    for (const [key, nothing] of empty) if (!rows.has(key)) gone.push(nothing)
    return { rows: made, gone, waiting }
  }
}

/** The rows of a window. */
export interface MetricRows {
  rows: MetricRow[]
  gone: MetricKey[]
  /** How many points only set a baseline, by resource; zeros are left out. */
  waiting: ReadonlyMap<string, number>
}

/** The columns that identify a row. */
export type MetricKey = Pick<MetricRow, 'bucket' | 'resource' | 'metric' | 'labels'>

/**
 * Shorter intervals are invented, such as a delta's start set to the millisecond before its point.
 */
const shortestMilliseconds = 1000

/** The contribution of a point to its minute; null if it only sets a baseline. */
function sampleOf({ id, form }: MetricSeries, { time, start, value }: SeriesPoint, memory: MetricMemory): PointValue | null {
  if (typeof value === 'number') {
    if (form === 'value') return value
    if (form === 'delta-gauge') return memory.total(id, value, time)
    if (form === 'delta-counter') {
      const previous = memory.previousTime(id, time)
      const since = start > 0 && start < time ? start : previous
      return since === null ? null : rate(value, Math.max(time - since, shortestMilliseconds))
    }
    const increase = memory.number(id).advance(start, time, value)
    return increase === null ? null : rate(increase.value, time - increase.since)
  }
  if ('buckets' in value) {
    return form === 'delta-distribution' ? value : (memory.distribution(id).advance(start, time, value)?.value ?? null)
  }
  return memory.summary(id).advance(start, time, value)?.value ?? null
}

const rate = (value: number, elapsed: number): number | null => (elapsed > 0 ? value / (elapsed / 1000) : null)
