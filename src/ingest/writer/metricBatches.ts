import type { Json } from '../../schema/text.ts'
import { arrayText, finite, HistogramColumn, type StoredHistograms } from './arrayColumns.ts'
import type { MetricRow } from '../rollups/windows/ingestWindow.ts'

/** How many rows go into one statement: what bounds memory, here and in the server. */
const mostRows = 5_000

/** How many characters of series go into one statement, beyond which one has fewer rows. */
const mostCharacters = 4 * 1024 * 1024

/**
 * The rows of one statement, column by column. What the rows of a series have in common comes once.
 */
export interface MetricBatch {
  /** A JSON array of objects with `resource_id`, `metric`, `labels`, `unit`, `kind`. */
  series: string
  /**
   * The buckets that occur. The other texts are PostgreSQL's arrays, with an element for each row.
   */
  buckets: string
  /** The place of a row's bucket in `buckets`, from 1. */
  bucket: string
  /** The place of a row's series in `series`, from 1. */
  seriesOfRow: string
  avg: string
  max: string
  p95: string
  sampleCount: string
  histograms: StoredHistograms
  rows: number
}

/**
 * The rows of metrics in batches, in the order of the series and of time across all of them:
 * writers of the same rows, however these are cut, then wait for each other and never deadlock.
 */
export function* metricBatches(
  series: readonly MetricSeries[],
  resourceIds: ReadonlyMap<string, string>,
  most = mostRows,
): Generator<MetricBatch> {
  let columns = new Columns()
  for (const { rows } of series) {
    let last: MetricRow | undefined
    for (const row of rows) {
      if (columns.length >= most || columns.characters >= mostCharacters) {
        yield columns.batch()
        columns = new Columns()
        last = undefined
      }
      if (last === undefined || row.unit !== last.unit || row.kind !== last.kind) columns.addSeries(row, resourceIds.get(row.resource))
      columns.add(row)
      last = row
    }
  }
  if (columns.length > 0) yield columns.batch()
}

/**
 * The rows of each series by time; the series in the order of resource, metric and labels.
 *
 * @param onTwice called for each row whose series and minute another one before it has: it is left
 * out.
 */
export function seriesInOrder(metrics: readonly MetricRow[], onTwice: (row: MetricRow) => void = () => {}): MetricSeries[] {
  const bySeries = new Map<string, MetricRow[]>()
  let last: MetricRow | undefined
  let lastLabels = ''
  let rows: MetricRow[] = []
  for (const row of metrics) {
    const labels = row.labels === last?.labels ? lastLabels : JSON.stringify(row.labels)
    // Mostly they come by series already.
    if (last === undefined || labels !== lastLabels || row.metric !== last.metric || row.resource !== last.resource) {
      const key = `${row.resource}\0${row.metric}\0${JSON.stringify(inKeyOrder(row.labels))}`
      rows = bySeries.get(key) ?? []
      if (rows.length === 0) bySeries.set(key, rows)
    }
    rows.push(row)
    last = row
    lastLabels = labels
  }
  const series = [...bySeries].sort(([a], [b]) => (a < b ? -1 : 1))
  return series.map(([key, rows]) => {
    rows.sort((a, b) => a.bucket.getTime() - b.bucket.getTime())
    const first = rows.filter((row, at) => {
      const isFirst = row.bucket.getTime() !== rows[at - 1]?.bucket.getTime()
      if (!isFirst) onTwice(row)
      return isFirst
    })
    return { key, rows: first }
  })
}

/** The rows of one series in a window, by time. */
export interface MetricSeries {
  /** The resource's URN, the metric and the labels. */
  key: string
  rows: readonly MetricRow[]
}

/** The same value with the keys of each object in one order, as two equal `jsonb` have them. */
function inKeyOrder(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(inKeyOrder)
  const keys = Object.keys(value).sort()
  return Object.fromEntries(keys.map((key) => [key, inKeyOrder(value[key]!)]))
}

class Columns {
  readonly #series: string[] = []
  #characters = 0
  readonly #placeOfBucket = new Map<number, number>()
  readonly #bucket: number[] = []
  readonly #seriesOfRow: number[] = []
  readonly #avg: string[] = []
  readonly #max: string[] = []
  readonly #p95: string[] = []
  readonly #sampleCount: number[] = []
  readonly #histograms = new HistogramColumn()

  get length(): number {
    return this.#bucket.length
  }

  get characters(): number {
    return this.#characters + this.#histograms.bytes
  }

  addSeries({ metric, labels, unit, kind }: MetricRow, resourceId: string | undefined): void {
    const text = JSON.stringify({ resource_id: resourceId, metric, labels, unit, kind })
    this.#series.push(text)
    this.#characters += text.length
  }

  /** Adds a row of the series that was added last. */
  add({ bucket, avg, max, p95, sampleCount, histogram }: MetricRow): void {
    const time = bucket.getTime()
    let place = this.#placeOfBucket.get(time)
    if (place === undefined) this.#placeOfBucket.set(time, (place = this.#placeOfBucket.size + 1))
    this.#bucket.push(place)
    this.#seriesOfRow.push(this.#series.length)
    this.#avg.push(finite(avg))
    this.#max.push(finite(max))
    this.#p95.push(finite(p95))
    this.#sampleCount.push(Math.min(sampleCount, greatestCount))
    this.#histograms.add(histogram)
  }

  batch(): MetricBatch {
    return {
      series: `[${this.#series.join(',')}]`,
      buckets: arrayText([...this.#placeOfBucket.keys()].map((time) => new Date(time).toISOString())),
      bucket: arrayText(this.#bucket),
      seriesOfRow: arrayText(this.#seriesOfRow),
      avg: arrayText(this.#avg),
      max: arrayText(this.#max),
      p95: arrayText(this.#p95),
      sampleCount: arrayText(this.#sampleCount),
      histograms: this.#histograms.column(),
      rows: this.length,
    }
  }
}

/** The greatest number of a double in int8. */
const greatestCount = 2 ** 63 - 1024
