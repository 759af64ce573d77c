import { hash } from 'node:crypto'
import { storable } from '../../logs/pattern.ts'
import {
  temporality,
  type OtlpExponentialPoint,
  type OtlpHistogramPoint,
  type OtlpMetric,
  type OtlpNumberPoint,
  type OtlpSummaryPoint,
} from '../../schema/otlp.ts'
import type { Json } from '../../schema/text.ts'
import { bucketValue, HistogramRecorder, histogramOf, quantileOf, quantileRank } from '../../sketch/exponentialHistogram.ts'
import { attributesOf } from '../records/attributes.ts'
import { CumulativeSeries } from './cumulativeSeries.ts'
import {
  explicitDistribution,
  exponentialDistribution,
  recordDistribution,
  subtractDistribution,
  type Distribution,
} from './distribution.ts'
import type { RollupReport } from './rollupReport.ts'
import { minuteMilliseconds, type MetricKind, type MetricRollup } from './rollupWindow.ts'

/** How the points of a series become samples. */
type Form = 'value' | 'counter' | 'delta-counter' | 'delta-gauge' | 'distribution' | 'delta-distribution' | 'summary'

interface Series {
  id: string
  resource: string
  metric: string
  unit: string | null
  kind: MetricKind
  form: Form
  labels: Record<string, Json>
}

interface Summary {
  count: number
  sum: number
  /** The quantiles 0.95 and 1, where the point has them. */
  p95: number | null
  max: number | null
}

/** A point of a series. Times are milliseconds; `minute` is exact, `time` may carry a fraction. */
interface Point {
  minute: number
  time: number
  start: number
  value: number | Distribution | Summary
}

type AnyPoint = OtlpNumberPoint | OtlpHistogramPoint | OtlpExponentialPoint | OtlpSummaryPoint

/** The longest metric name that is stored, in bytes of UTF-8. */
export const maxMetricName = 255

/** What all windows share of a metric's series: the memory of the cumulative ones, and the running totals of delta gauges. */
export class MetricMemory {
  readonly #numbers = new Map<string, CumulativeSeries<number>>()
  readonly #distributions = new Map<string, CumulativeSeries<Distribution>>()
  readonly #summaries = new Map<string, CumulativeSeries<Summary>>()
  readonly #totals = new Map<string, { value: number; time: number }>()
  readonly #lastTimes = new Map<string, number>()

  number(id: string): CumulativeSeries<number> {
    return memoryOf(this.#numbers, id, () => new CumulativeSeries((now, before) => (now < before ? null : now - before)))
  }

  distribution(id: string): CumulativeSeries<Distribution> {
    return memoryOf(this.#distributions, id, () => new CumulativeSeries(subtractDistribution))
  }

  summary(id: string): CumulativeSeries<Summary> {
    return memoryOf(
      this.#summaries,
      id,
      () =>
        new CumulativeSeries((now, before) =>
          now.count < before.count ? null : { ...now, count: now.count - before.count, sum: now.sum - before.sum },
        ),
    )
  }

  /** The total of a delta gauge after `change`; it starts at zero with the first change that is seen. */
  total(id: string, change: number, time: number): number {
    const value = (this.#totals.get(id)?.value ?? 0) + change
    this.#totals.set(id, { value, time })
    return value
  }

  /** The time of the series' point before this one, or null. */
  previousTime(id: string, time: number): number | null {
    const previous = this.#lastTimes.get(id) ?? null
    this.#lastTimes.set(id, time)
    return previous
  }

  /** Forgets what has been silent for an hour. Totals stay: nothing else knows them. */
  forget(now: number): void {
    for (const memory of [this.#numbers, this.#distributions, this.#summaries]) {
      for (const [id, series] of memory) if (series.isForgotten(now)) memory.delete(id)
    }
    for (const [id, time] of this.#lastTimes) if (now - time > 3_600_000) this.#lastTimes.delete(id)
  }
}

function memoryOf<T>(memory: Map<string, T>, id: string, create: () => T): T {
  let series = memory.get(id)
  if (series === undefined) memory.set(id, (series = create()))
  return series
}

/** What a metric's points are, or null when its temporality is missing. */
export function formOf(metric: OtlpMetric): { kind: MetricKind; form: Form; points: readonly AnyPoint[] } | null {
  if (metric.gauge) return { kind: 'gauge', form: 'value', points: metric.gauge.dataPoints }
  if (metric.sum) {
    const { aggregationTemporality, isMonotonic, dataPoints: points } = metric.sum
    const delta = aggregationTemporality === temporality.delta
    if (!delta && aggregationTemporality !== temporality.cumulative) return null
    return isMonotonic
      ? { kind: 'counter', form: delta ? 'delta-counter' : 'counter', points }
      : { kind: 'gauge', form: delta ? 'delta-gauge' : 'value', points }
  }
  const histogram = metric.histogram ?? metric.exponentialHistogram
  if (histogram) {
    const delta = histogram.aggregationTemporality === temporality.delta
    if (!delta && histogram.aggregationTemporality !== temporality.cumulative) return null
    return { kind: 'histogram', form: delta ? 'delta-distribution' : 'distribution', points: histogram.dataPoints }
  }
  return metric.summary ? { kind: 'summary', form: 'summary', points: metric.summary.dataPoints } : null
}

/** Every point of a metric, of whatever type it is. */
export const pointsOf = (metric: OtlpMetric): readonly AnyPoint[] =>
  (metric.gauge ?? metric.sum ?? metric.histogram ?? metric.exponentialHistogram ?? metric.summary)?.dataPoints ?? []

/** Collects the points of one window; the order of their arrival does not matter. */
export class MetricTally {
  readonly #series = new Map<string, { series: Series; points: Point[] }>()

  /**
   * Adds a point.
   *
   * @param identity what tells its reporter apart from others: resource and scope.
   * @returns whether it can be used.
   */
  add(
    metric: OtlpMetric,
    kind: MetricKind,
    form: Form,
    reporter: { urn: string; identity: string },
    point: AnyPoint,
    times: Omit<Point, 'value'>,
  ): boolean {
    const noRecordedValue = ((point.flags ?? 0) & 1) === 1
    const value = noRecordedValue ? null : valueOf(metric, point)
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

  /** Rolls the points up by minute. Windows must come in order: cumulative series go on from one to the next. */
  rollups(memory: MetricMemory, report: RollupReport): MetricRollup[] {
    const rows = new Map<string, Map<string, MinuteTally>>()
    for (const id of [...this.#series.keys()].sort()) {
      const { series, points } = this.#series.get(id)!
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
        const row = memoryOf(rows, key, () => new Map<string, MinuteTally>())
        memoryOf(row, `${series.kind}\0${series.unit ?? ''}`, () => new MinuteTally(series, minute)).add(sample, id)
      }
    }
    return [...rows.keys()].sort().flatMap((key) => {
      const row = rows.get(key)!
      const [first, ...others] = [...row.keys()].sort()
      for (const other of others) report.conflictingPoints += row.get(other)!.points
      return row.get(first!)!.rollup() ?? []
    })
  }
}

function valueOf(metric: OtlpMetric, point: AnyPoint): Point['value'] | null {
  if ('quantileValues' in point) {
    const { count, sum, quantileValues } = point
    if (count == null || sum == null || !Number.isFinite(sum)) return null
    const quantile = (q: number) => {
      const value = quantileValues.find((entry) => (entry.quantile ?? 0) === q)?.value
      return value != null && Number.isFinite(value) ? value : null
    }
    return { count, sum, p95: quantile(0.95), max: quantile(1) }
  }
  if ('bucketCounts' in point) return explicitDistribution(point)
  if (metric.exponentialHistogram) return exponentialDistribution(point)
  const number = (point as OtlpNumberPoint).asDouble ?? (point as OtlpNumberPoint).asInt
  return number != null && Number.isFinite(number) ? number : null
}

/** Of two points of one series and time that differ, the greater one is kept, whichever came first. */
function compareValues(a: Point['value'], b: Point['value']): number {
  if (typeof a === 'number' && typeof b === 'number') return b - a
  return typeof a === 'object' && typeof b === 'object' ? b.count - a.count || (b.sum ?? 0) - (a.sum ?? 0) : 0
}

/** What one point contributes to its minute; null when it only sets a baseline. */
function sampleOf({ id, form }: Series, { time, start, value }: Point, memory: MetricMemory): Point['value'] | null {
  if (typeof value === 'number') {
    if (form === 'value') return value
    if (form === 'delta-gauge') return memory.total(id, value, time)
    if (form === 'delta-counter') {
      const previous = memory.previousTime(id, time)
      const since = start > 0 && start < time ? start : previous
      return since === null ? null : rate(value, time - since)
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

/** One minute of one row in the making. */
class MinuteTally {
  readonly #series: Series
  readonly #bucket: number
  readonly #numbers: number[] = []
  readonly #distributions: Distribution[] = []
  readonly #summaries: { summary: Summary; id: string }[] = []

  constructor(series: Series, bucket: number) {
    this.#series = series
    this.#bucket = bucket
  }

  get points(): number {
    return this.#numbers.length + this.#distributions.length + this.#summaries.length
  }

  add(sample: Point['value'], id: string): void {
    if (typeof sample === 'number') this.#numbers.push(sample)
    else if ('buckets' in sample) this.#distributions.push(sample)
    else this.#summaries.push({ summary: sample, id })
  }

  /** The row, or null when the minute holds no observation. */
  rollup(): MetricRollup | null {
    const { resource, metric, labels, unit, kind } = this.#series
    const row = { bucket: new Date(this.#bucket), resource, metric, labels, unit, kind }
    if (this.#numbers.length > 0) return { ...row, ...ofNumbers(this.#numbers) }
    const figures = this.#distributions.length > 0 ? ofDistributions(this.#distributions) : ofSummaries(this.#summaries)
    return figures === null ? null : { ...row, ...figures }
  }
}

type Figures = Pick<MetricRollup, 'avg' | 'max' | 'p95' | 'sampleCount' | 'histogram'>

/** Sorted first: sums of floating-point numbers depend on their order, and rows must not. */
function ofNumbers(values: number[]): Figures {
  values.sort((a, b) => a - b)
  const count = values.length
  const sum = values.reduce((total, value) => total + value, 0)
  return {
    avg: Number.isFinite(sum) ? sum / count : values.reduce((mean, value) => mean + value / count, 0),
    max: values[count - 1]!,
    p95: values[quantileRank(count, 0.95) - 1]!,
    sampleCount: count,
    histogram: count === 1 ? null : histogramOf(values),
  }
}

function ofDistributions(distributions: readonly Distribution[]): Figures | null {
  const filled = distributions.filter(({ count }) => count > 0)
  if (filled.length === 0) return null
  const recorder = new HistogramRecorder()
  const max = Math.max(...filled.map((distribution) => recordDistribution(recorder, distribution)))
  const histogram = recorder.encode()!
  const sums = filled.map(({ sum }) => sum)
  const count = recorder.count
  const avg = sums.every((sum) => sum !== null)
    ? sums.sort((a, b) => a - b).reduce((total, sum) => total + sum, 0) / count
    : meanOf(histogram, count)
  if (count === 1) return { avg, max: avg, p95: avg, sampleCount: 1, histogram: null }
  const p95 = quantileRank(count, 0.95) === count ? max : Math.min(max, quantileOf(histogram, 0.95))
  return { avg, max, p95, sampleCount: count, histogram }
}

/** The mean of what stands for each bucket: the best there is without a sum. */
function meanOf(histogram: readonly number[], count: number): number {
  let sum = 0
  for (let at = 1; at < histogram.length; at += 2) sum += bucketValue(histogram[at]!, histogram[0]!) * histogram[at + 1]!
  return sum / count
}

/**
 * Count and sum add up. Quantiles do not: they are the last point's where one series alone reports, and unknown otherwise.
 */
function ofSummaries(entries: readonly { summary: Summary; id: string }[]): Figures | null {
  const count = entries.reduce((total, { summary }) => total + summary.count, 0)
  if (count === 0) return null
  const sums = entries.map(({ summary }) => summary.sum).sort((a, b) => a - b)
  const last = entries.at(-1)!
  const alone = entries.every(({ id }) => id === last.id)
  return {
    avg: sums.reduce((total, sum) => total + sum, 0) / count,
    max: alone ? last.summary.max : null,
    p95: alone ? last.summary.p95 : null,
    sampleCount: count,
    histogram: null,
  }
}
