import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { MetricRow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'
import { metricBatches, seriesInOrder, type MetricBatch } from '../../../src/ingest/writer/metricBatches.ts'
import { decodeHistogram, histogramOf } from '../../../src/sketch/exponentialHistogram.ts'
import type { Json } from '../../../src/schema/text.ts'

const ids = new Map(['urn:a', 'urn:b'].map((urn, at) => [urn, String(at)]))

const labels = fc
  .uniqueArray(fc.constantFrom('x', 'y', 'z'), { maxLength: 3 })
  .chain((keys) =>
    fc
      .tuple(...keys.map(() => fc.oneof(fc.string(), fc.integer(), fc.constant(null))))
      .map((values): Record<string, Json> => Object.fromEntries(keys.map((key, at) => [key, values[at]!]))),
  )
const measure = fc.option(fc.double())
const row: fc.Arbitrary<MetricRow> = fc.record({
  bucket: fc.integer({ min: 0, max: 4 }).map((minute) => new Date(minute * 60_000)),
  resource: fc.constantFrom(...ids.keys()),
  metric: fc.constantFrom('m', 'n'),
  labels,
  unit: fc.constantFrom('s', null),
  kind: fc.constantFrom('gauge', 'counter'),
  avg: measure,
  max: measure,
  p95: measure,
  sampleCount: fc.nat(),
  histogram: fc.option(
    fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 5 }).map((values) => histogramOf(values)!),
  ),
})
/** As the key of a table: one row to a minute of a series. */
const rows = fc.uniqueArray(row, { selector: keyOf, maxLength: 40 })

function keyOf({ resource, metric, labels: given, bucket }: MetricRow): string {
  const sorted = Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([resource, metric, sorted, bucket])
}

const elements = (array: string): string[] => (array === '{}' ? [] : array.slice(1, -1).split(','))
const number = (text: string): number | null => (text === 'null' ? null : Number(text))
const finite = (value: number | null): number | null => (Number.isFinite(value) ? value! + 0 : null)

/** The rows of a batch, as the statement puts them together. */
function rowsOf(batch: MetricBatch): object[] {
  const series = JSON.parse(batch.series) as object[]
  const buckets = elements(batch.buckets)
  return elements(batch.seriesOfRow).map((place, at) => {
    const from = number(elements(batch.histograms.from)[at]!)
    return {
      ...series[Number(place) - 1],
      bucket: buckets[Number(elements(batch.bucket)[at]) - 1],
      avg: number(elements(batch.avg)[at]!),
      max: number(elements(batch.max)[at]!),
      p95: number(elements(batch.p95)[at]!),
      sampleCount: Number(elements(batch.sampleCount)[at]),
      histogram:
        from === null
          ? null
          : decodeHistogram(batch.histograms.bytes.subarray(from - 1, from - 1 + Number(elements(batch.histograms.length)[at]))),
    }
  })
}

const given = ({ bucket, resource, metric, labels: own, unit, kind, avg, max, p95, sampleCount, histogram }: MetricRow) => ({
  resource_id: ids.get(resource),
  metric,
  labels: own,
  unit,
  kind,
  bucket: bucket.toISOString(),
  avg: finite(avg),
  max: finite(max),
  p95: finite(p95),
  sampleCount,
  histogram,
})

it('gives every row once, in batches no longer than asked, in one order whatever the order given', () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 7 }), fc.infiniteStream(fc.nat()), (metrics, most, random) => {
      const batches = [...metricBatches(seriesInOrder(metrics), ids, most)]
      for (const batch of batches) expect(batch.rows).toBeLessThanOrEqual(most)
      const told = batches.flatMap(rowsOf)
      const sorted = (all: object[]) => all.map((one) => JSON.stringify(one)).sort()
      expect(sorted(told.map(inOneForm))).toEqual(sorted(metrics.map(given).map(inOneForm)))
      const shuffled = metrics
        .map((one) => ({ one, at: random.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => ({ ...one, labels: Object.fromEntries(Object.entries(one.labels).reverse()) }))
      expect([...metricBatches(seriesInOrder(shuffled), ids, 1000)].flatMap(rowsOf)).toEqual(told)
    }),
  )
})

/** Keys of labels in one order. */
const inOneForm = (one: object): object => ({
  ...one,
  labels: Object.entries(Reflect.get(one, 'labels') as object).sort(([a], [b]) => (a < b ? -1 : 1)),
  resource_id: Reflect.get(one, 'resource_id') as unknown,
  bucket: Reflect.get(one, 'bucket') as unknown,
})

it('says what the rows of a series have in common once', () => {
  const [first] = fc.sample(row, 1)
  const minutes = Array.from({ length: 5 }, (_, minute) => ({ ...first!, bucket: new Date(minute * 60_000) }))
  const [batch] = [...metricBatches(seriesInOrder(minutes.toReversed()), ids)]
  expect(JSON.parse(batch!.series)).toHaveLength(1)
  expect(elements(batch!.bucket)).toEqual(['1', '2', '3', '4', '5'])
})
