import { hash } from 'node:crypto'
import { storable } from '../../../logs/pattern.ts'
import type { OtlpMetric, OtlpPoint } from '../../../schema/otlp.ts'
import { attributesOf } from '../../records/attributes.ts'
import type { MetricForm, MetricKind } from '../../records/metricForm.ts'
import { compareValues, pointValue, type PointValue } from '../../records/pointValue.ts'
import { minuteMilliseconds, type MetricRow } from '../windows/ingestWindow.ts'
import type { RollUpReport } from '../windows/rollUpReport.ts'
import { getOrCreate } from './getOrCreate.ts'
import type { MetricMemory } from './metricMemory.ts'
import type { MetricSeries, SeriesPoint } from './metricSeries.ts'
import { MinuteTally } from './minuteTally.ts'

/** Collects the metric points of one window. The order in which they come does not matter. */
export class MetricTally {
  readonly #series = new Map<string, { series: MetricSeries; points: SeriesPoint[] }>()

  /**
   * Adds a point.
   *
   * @param reporter `identity` tells reporters of one resource apart: by attributes and scope.
   * @returns false when it has no value that can be used.
   */
  add(
    metric: OtlpMetric,
    { kind, form }: { kind: MetricKind; form: MetricForm },
    reporter: { urn: string; identity: string },
    point: OtlpPoint,
    times: Omit<SeriesPoint, 'value'>,
  ): boolean {
    const value = pointValue(metric, point)
    if (value === null || (form === 'delta-counter' && typeof value === 'number' && value < 0)) return false
    const labels = attributesOf(point.attributes)
    const name = storable(metric.name)
    const unit = metric.unit ? storable(metric.unit) : null
    const id = hash('sha256', JSON.stringify([reporter.urn, reporter.identity, name, unit, kind, form, labels]), 'base64')
    let entry = this.#series.get(id)
    if (entry === undefined) {
      const shown = kind === 'counter' ? `${unit ?? ''}/s` : unit
      entry = { series: { id, resource: reporter.urn, metric: name, unit: shown, kind, form, labels }, points: [] }
      this.#series.set(id, entry)
    }
    entry.points.push({ ...times, value })
    return true
  }

  /**
   * One row a minute. Call it window by window in order: cumulative series go on from one to the
   * next.
   */
  rows(memory: MetricMemory, report: RollUpReport): MetricRow[] {
    const rows = new Map<string, Map<string, MinuteTally>>()
    for (const id of [...this.#series.keys()].sort()) {
      const { series, points } = this.#series.get(id)!
      // Of two points of one time the greater one counts, whichever came first.
      points.sort((a, b) => a.time - b.time || a.start - b.start || compareValues(a.value, b.value))
      for (const [at, point] of points.entries()) {
        const before = points[at - 1]
        if (before !== undefined && before.time === point.time && before.start === point.start) {
          report.duplicateRecords += 1
          continue
        }
        const sample = sampleOf(series, point, memory)
        if (sample === null) {
          report.baselinePoints += 1
          continue
        }
        // A rate or a running total that left the doubles.
        if (typeof sample === 'number' && !Number.isFinite(sample)) {
          report.unusablePoints += 1
          continue
        }
        const minute = point.minute * minuteMilliseconds
        const key = JSON.stringify([series.resource, series.metric, series.labels, minute])
        const row = getOrCreate(rows, key, () => new Map<string, MinuteTally>())
        getOrCreate(row, `${series.kind}\0${series.unit ?? ''}`, () => new MinuteTally(series, minute)).add(sample, id)
      }
    }
    return [...rows.keys()].sort().flatMap((key) => {
      const row = rows.get(key)!
      const [first, ...others] = [...row.keys()].sort()
      for (const other of others) report.conflictingPoints += row.get(other)!.points
      return row.get(first!)!.row() ?? []
    })
  }
}

/** Shorter intervals are made up: the start of a delta set to the millisecond before its point. */
const shortestMilliseconds = 1000

/** What one point contributes to its minute; null when it only sets a baseline. */
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
