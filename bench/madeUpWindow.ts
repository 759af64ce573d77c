import { namedResource } from '../src/ingest/records/telemetryResource.ts'
import { ValueTally } from '../src/ingest/rollups/sketches/valueTally.ts'
import type { CallRow, IngestWindow, MetricRow, PatternRow, SketchRow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { histogramOf, quantileOf } from '../src/sketch/exponentialHistogram.ts'

const minute = 60_000
export const windowLength = 5 * minute
/** Of ten series, eight are gauges, one is a counter and one has latencies. */
const mix = ['gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'counter', 'histogram'] as const

const urnOf = (at: number) => `urn:k8s:svc:shop/service-${at}`

/** Ten series each, and no fewer than a service has callees. */
const servicesOf = (series: number) => Math.max(12, Math.ceil(series / mix.length))
const resourcesOf = (series: number) =>
  Array.from({ length: servicesOf(series) }, (_, at) => namedResource(urnOf(at), 'service', `service-${at}`))

/**
 * Sets of samples, made once: a row takes one of them, so that making rows is not what takes the
 * time.
 */
const samplesOf = (count: number, spread: number) =>
  Array.from({ length: 97 }, (_, set) => {
    const values = Array.from(
      { length: count },
      (_, at) => Math.exp(Math.sin((set + 1) * 7.31 + at * 12.9898) * spread + (set % 7) / 10) * 20,
    )
    const histogram = histogramOf(values)!
    return { avg: values.reduce((sum, value) => sum + value, 0) / count, max: Math.max(...values), histogram }
  })
const gauges = samplesOf(6, 0.1)
const latencies = samplesOf(300, 0.5)

/**
 * 300 requests of about 190 users each, some of them many times, one request in fifty with an
 * error.
 */
const users = Array.from({ length: 97 }, (_, set) => {
  const tally = new ValueTally()
  for (let at = 0; at < 300; at++) {
    const user = Math.floor(2_000 ** (((at * 7_919 + set * 104_729) % 10_007) / 10_007))
    tally.add('urn', { dimension: 'user', item: `user-${user + 10_000}` }, at % 50 === 0)
  }
  return tally.rows(0)[0]!
})

/** As exporters label them. */
const labelsOf = { gauge: gaugeLabels, counter: counterLabels, histogram: routeLabels }
function gaugeLabels(at: number): MetricRow['labels'] {
  return { 'cpu.logical_number': at % 8, 'cpu.mode': ['user', 'system', 'iowait', 'idle'][at % 4]! }
}
function counterLabels(at: number): MetricRow['labels'] {
  return { 'network.interface.name': `eth${at % 2}`, 'network.io.direction': at % 4 < 2 ? 'receive' : 'transmit' }
}
function routeLabels(at: number): MetricRow['labels'] {
  return { 'http.request.method': 'GET', 'http.route': `/api/v1/orders/${at % 5}`, 'http.response.status_code': 200 }
}
const metricOf = { gauge: 'system.cpu.utilization', counter: 'system.network.io', histogram: 'http.server.request.duration' }
const unitOf = { gauge: '1', counter: 'By/s', histogram: 's' }

/**
 * A made-up window: 80 % of the series are gauges of six samples a minute, 10 % counters, 10 %
 * latencies of 300 samples; as many calls and patterns of 300 as series. With `sketched`, the users
 * of each service.
 */
export function madeUpWindow(from: number, series: number, { sketched = false } = {}): IngestWindow {
  const each = Array.from({ length: series }, (_, at) => at)
  const bucket = new Date(from)
  const minutes = Array.from({ length: windowLength / minute }, (_, at) => new Date(from + at * minute))
  return {
    from: bucket,
    to: new Date(from + windowLength),
    resources: resourcesOf(series),
    metrics: each.flatMap((at) => minutes.map((start) => metricRow(start, at))),
    calls: each.map((at) => callRow(bucket, at, series)),
    patterns: each.map((at) => patternRow(bucket, at)),
    sketches: sketched ? each.slice(0, servicesOf(series)).map((at) => sketchRow(bucket, at)) : [],
    locators: [
      {
        dataset: 'traces',
        objectBucket: 'raw',
        objectKey: `${from}.jsonl`,
        tFrom: bucket,
        tTo: new Date(from + windowLength),
        queryHint: '',
        attributes: { first_line: 1, last_line: 2 },
      },
    ],
  }
}

function metricRow(bucket: Date, at: number): MetricRow {
  const kind = mix[at % mix.length]!
  const given = (kind === 'histogram' ? latencies : gauges)[(at * 31 + bucket.getTime() / minute) % 97]!
  return {
    bucket,
    resource: urnOf(Math.floor(at / mix.length)),
    metric: metricOf[kind],
    labels: labelsOf[kind](at),
    unit: unitOf[kind],
    kind,
    avg: given.avg,
    ...(kind === 'counter'
      ? { max: given.avg, p95: given.avg, sampleCount: 1, histogram: null }
      : { max: given.max, p95: quantileOf(given.histogram, 0.95), sampleCount: kind === 'gauge' ? 6 : 300, histogram: given.histogram }),
  }
}

function callRow(bucket: Date, at: number, series: number): CallRow {
  const { histogram } = latencies[(at * 31 + bucket.getTime() / minute) % 97]!
  const [p50, p95] = [0.5, 0.95].map((q) => quantileOf(histogram, q)) as [number, number]
  return {
    bucket,
    from: urnOf(Math.floor(at / mix.length)),
    to: urnOf((Math.floor(at / mix.length) + 1 + (at % mix.length)) % servicesOf(series)),
    callCount: 300,
    errorCount: at % 5,
    rps: 1,
    errRate: (at % 5) / 300,
    p50Ms: p50,
    p95Ms: p95,
    histogram,
    calleeCount: 300,
    calleeP50Ms: p50,
    calleeP95Ms: p95,
    calleeHistogram: histogram,
    locator: 0,
  }
}

const sketchRow = (bucket: Date, at: number): SketchRow => ({
  ...users[(at * 31 + bucket.getTime() / windowLength) % 97]!,
  bucket,
  resource: urnOf(at),
})

const patternRow = (bucket: Date, at: number): PatternRow => ({
  bucket,
  resource: urnOf(Math.floor(at / mix.length)),
  maskedLine: `order <*> of kind ${at % 50} failed: <*>`,
  sampleMessage: `order 4711 of kind ${at % 50} failed: no stock`,
  severity: 'ERROR',
  attrsSchema: {},
  countTotal: 300,
  countError: at % 5,
  firstSeen: bucket,
  lastSeen: bucket,
  locator: 0,
})
