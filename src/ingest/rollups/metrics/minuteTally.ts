import { bucketValue, HistogramRecorder, histogramOf, quantileOf, quantileRank } from '../../../sketch/exponentialHistogram.ts'
import type { Distribution } from '../../records/distribution.ts'
import type { PointValue } from '../../records/pointValue.ts'
import type { Summary } from '../../records/summary.ts'
import type { MetricRow } from '../windows/ingestWindow.ts'
import type { MetricSeries } from './metricSeries.ts'
import { recordDistribution } from './recordDistribution.ts'

/** Gathers the samples of one row: one minute of one metric, resource and set of labels. */
export class MinuteTally {
  readonly #series: MetricSeries
  readonly #bucket: number
  readonly #numbers: number[] = []
  readonly #distributions: Distribution[] = []
  readonly #summaries: { summary: Summary; id: string }[] = []

  constructor(series: MetricSeries, bucket: number) {
    this.#series = series
    this.#bucket = bucket
  }

  /** How many of its points the report of this run counts. */
  counted = 0

  add(sample: PointValue, id: string, counted: boolean): void {
    if (counted) this.counted += 1
    if (typeof sample === 'number') this.#numbers.push(sample)
    else if ('buckets' in sample) this.#distributions.push(sample)
    else this.#summaries.push({ summary: sample, id })
  }

  /** The columns that identify the row. */
  get key(): Pick<MetricRow, 'bucket' | 'resource' | 'metric' | 'labels'> {
    const { resource, metric, labels } = this.#series
    return { bucket: new Date(this.#bucket), resource, metric, labels }
  }

  /** The row, or null if the minute has no observation. */
  row(): MetricRow | null {
    const { resource, metric, labels, unit, kind } = this.#series
    const row = { bucket: new Date(this.#bucket), resource, metric, labels, unit, kind }
    if (this.#numbers.length > 0) return { ...row, ...ofNumbers(this.#numbers) }
    const figures = this.#distributions.length > 0 ? ofDistributions(this.#distributions) : ofSummaries(this.#summaries)
    return figures === null ? null : { ...row, ...figures }
  }
}

type Figures = Pick<MetricRow, 'avg' | 'max' | 'p95' | 'sampleCount' | 'histogram'>

/** Sorts first: a sum of floating-point numbers depends on their order, and a row must not. */
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
  const highest = filled.reduce((most, distribution) => Math.max(most, recordDistribution(recorder, distribution)), -Infinity)
  const histogram = recorder.histogram()!
  const sums = filled.map(({ sum }) => sum)
  const count = recorder.count
  const avg = sums.every((sum) => sum !== null)
    ? sums.sort((a, b) => a - b).reduce((total, sum) => total + sum, 0) / count
    : meanOf(histogram, count)
  // The sum may imply a higher maximum than the buckets do.
  const max = Math.max(highest, avg)
  if (count === 1) return { avg, max: avg, p95: avg, sampleCount: 1, histogram: null }
  const p95 = quantileRank(count, 0.95) === count ? max : Math.min(max, quantileOf(histogram, 0.95))
  return { avg, max, p95, sampleCount: count, histogram }
}

/** The mean of the buckets' representative values: the best estimate without a sum. */
function meanOf(histogram: readonly number[], count: number): number {
  let sum = 0
  for (let at = 1; at < histogram.length; at += 2) sum += bucketValue(histogram[at]!, histogram[0]!) * histogram[at + 1]!
  return sum / count
}

/**
 * Counts and sums are added. Quantiles cannot be: with one series they are those of its last point,
 * otherwise null.
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
