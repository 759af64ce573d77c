import { sql, type Kysely } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { namedResource } from '../src/ingest/records/telemetryResource.ts'
import type { CallRow, IngestWindow, MetricRow, PatternRow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import { maintain } from '../src/operate/maintain/maintain.ts'
import { histogramOf, quantileOf } from '../src/sketch/exponentialHistogram.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { newTenant, openTarget } from './target.ts'

const minute = 60_000
const windowLength = 5 * minute
const hour = 60 * minute
const day = 24 * hour
/** Of ten series, eight are gauges, one is a counter and one has latencies. */
const mix = ['gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'gauge', 'counter', 'histogram'] as const

/**
 * What a row takes on disk, with its indexes, after a day that came in the order of time: a window of five minutes in each transaction, written by
 * `writeRollups`, and rolled up every hour. 80 % of the series are gauges of six samples a minute, 10 % counters, 10 % latencies of 300 samples; `--rows` of
 * `metric_1m`, and as many calls and patterns of 300 in each window as series.
 *
 * `keep.merge.us` is the server's time for each histogram of these rows that is merged by the hour, beyond reading and grouping them.
 */
export async function* keep({ url, rows = 288_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  const { db, close } = await openTarget(url)
  try {
    const scope = await newTenant(db)
    const series = Math.max(10, Math.round(rows / (day / minute)))
    const end = new Date(Math.floor(Date.now() / day) * day)
    for (let from = end.getTime() - day; from < end.getTime(); from += windowLength) {
      await writeRollups(scope, windowOf(from, series))
      if ((from + windowLength) % hour === 0) await roll(scope, new Date(from + windowLength))
    }
    await roll(scope, new Date(end.getTime() + 3 * hour))
    await sql`vacuum analyze`.execute(db)
    for (const table of ['metric_1m', 'service_call_5m', 'metric_1h', 'log_pattern_5m']) {
      const { heap, indexes } = await bytesOfRow(scope, table)
      yield { figure: `keep.${table}.bytes`, value: heap + indexes, unit: 'B' }
      yield { figure: `keep.${table}.bytes.indexes`, value: indexes, unit: 'B' }
    }
    yield { figure: 'keep.merge.us', value: await mergeMicroseconds(scope), unit: 'us' }
  } finally {
    await close()
  }
}

const urnOf = (at: number) => `urn:k8s:svc:shop/service-${at}`

/** Ten series each, and no fewer than a service has callees. */
const servicesOf = (series: number) => Math.max(12, Math.ceil(series / mix.length))
const resourcesOf = (series: number) =>
  Array.from({ length: servicesOf(series) }, (_, at) => namedResource(urnOf(at), 'service', `service-${at}`))

/** Sets of samples, made once: a row takes one of them, so that making rows is not what takes the time. */
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

function windowOf(from: number, series: number): IngestWindow {
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
    sketches: [],
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

/** As a server does it by itself, or maintenance does. */
async function roll({ db, installation }: Scope, now: Date): Promise<void> {
  if (installation.timeRung !== 'community') await maintain(db, { now })
  else await sql`call refresh_continuous_aggregate('metric_1h', null, ${new Date(now.getTime() - hour)}::timestamptz)`.execute(db)
}

async function bytesOfRow({ db, installation }: Scope, table: string): Promise<{ heap: number; indexes: number }> {
  const place =
    table !== 'metric_1h'
      ? sql`${table}::regclass`
      : installation.timeRung !== 'community'
        ? sql`'metric_1h_stored'::regclass`
        : sql`(
            select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
            from timescaledb_information.continuous_aggregates where view_name = 'metric_1h'
          )`
  const { rows } = await sql<{ heap: number; indexes: number }>`
    with recursive part (oid) as (
      select ${place}::oid
      union all
      select inhrelid from pg_catalog.pg_inherits join part on part.oid = inhparent
    )
    select sum(pg_table_size(oid))::float8 / counted.rows as heap, sum(pg_indexes_size(oid))::float8 / counted.rows as indexes
    from part, (select count(*)::float8 as rows from ${sql.id(table)}) as counted
    group by counted.rows
  `.execute(db)
  return rows[0]!
}

async function mergeMicroseconds(scope: Scope): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(histogram)::float8 as count from ${scope.id('metric_1m')}`.execute(scope.db)
  const [merging, reading] = [Infinity, Infinity].map((start) => [start]) as [number[], number[]]
  for (let run = 0; run < 5; run++) {
    merging.push(await serverMilliseconds(scope.db, sql`${scope.id('exp_histogram_merge')}(histogram)`))
    reading.push(await serverMilliseconds(scope.db, sql`max(octet_length(histogram))`))
  }
  return ((Math.min(...merging) - Math.min(...reading)) * 1000) / rows[0]!.count
}

async function serverMilliseconds(db: Kysely<{}>, aggregate: ReturnType<typeof sql>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`set local max_parallel_workers_per_gather = 0`.execute(trx)
    await sql`set local jit = off`.execute(trx)
    const { rows } = await sql<{ 'QUERY PLAN': unknown }>`
      explain (analyze, timing off, format json)
      select ${aggregate} from metric_1m group by series_id, date_bin('1 hour', bucket, '2000-01-01Z')
    `.execute(trx)
    const plan = rows[0]!['QUERY PLAN']
    const [{ 'Execution Time': time }] = (typeof plan === 'string' ? JSON.parse(plan) : plan) as [{ 'Execution Time': number }]
    return time
  })
}
