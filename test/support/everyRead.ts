import { sql } from 'kysely'
import { callMeasures } from '../../src/calls/callSeries.ts'
import * as calls from '../../src/calls/index.ts'
import * as cardinality from '../../src/cardinality/index.ts'
import type { Scope } from '../../src/database/index.ts'
import * as events from '../../src/events/index.ts'
import * as graph from '../../src/graph/index.ts'
import * as incident from '../../src/incident/index.ts'
import * as knowledge from '../../src/knowledge/index.ts'
import * as logs from '../../src/logs/index.ts'
import * as metrics from '../../src/metrics/index.ts'
import { metricMeasures } from '../../src/metrics/metricMeasures.ts'
import * as ranking from '../../src/ranking/index.ts'
import * as series from '../../src/series/index.ts'
import { combinations } from '../../src/series/algebra/combine.ts'
import { reductions } from '../../src/series/algebra/reduction.ts'
import * as sketch from '../../src/sketch/index.ts'
import * as topology from '../../src/topology/index.ts'
import { ageReads, graphReads } from './graphReads.ts'
import { graphTimes } from './graphWorld.ts'
import type { Read } from './narrowed.ts'
import { insertCalls, insertMetrics, insertPatternCounts, insertPatterns } from './rows.ts'
import { seriesReads } from './seriesReads.ts'
import { insertSketches } from './sketches.ts'

/** The names of what a room exports that returns a query. */
type Queries<Room> = {
  [Name in keyof Room]: Room[Name] extends (...args: never[]) => { readonly isSelectQueryBuilder: true } ? Name : never
}[keyof Room]

/** Reads of rooms that neither `graphReads` nor `seriesReads` lists. */
type Others =
  | Queries<typeof metrics>
  | Queries<typeof logs>
  | Queries<typeof cardinality>
  | 'affected'
  | 'latestData'
  | 'relatedKnowledge'
  | Queries<typeof events>
  | Queries<typeof knowledge>
  | Queries<typeof ranking>
  | Queries<typeof sketch>

const { range, baseline, before } = graphTimes
const metric = 'process.cpu.utilization'
const dimension = 'user'
const embedding = Array.from({ length: 1536 }, (_, index) => Math.sin(index + 1))

/** What `everyRead` reads besides what `makeGraphWorld` made of the same names. */
export async function makeEverythingElse(scope: Scope, names: readonly string[]): Promise<{ event: string }> {
  const [first, second] = names as [string, string]
  const [one, other, third] = await insertPatterns(
    scope,
    ['failed <*>', 'slow <*>', 'refused <*>'].map((pattern) => ({
      pattern,
      severity: 'ERROR',
      first_seen: range.from,
      last_seen: range.from,
    })),
  )
  await insertPatternCounts(scope, [
    { bucket: range.from, resource: first, fingerprint_id: one!, count_total: 3, count_error: 1 },
    { bucket: range.from, resource: second, fingerprint_id: other!, count_total: 2 },
    { bucket: baseline.from, resource: second, fingerprint_id: other!, count_total: 1 },
    { bucket: range.from, resource: second, fingerprint_id: third!, count_total: 90, count_error: 90 },
  ])
  // What is done differently: calls that are no longer made.
  await insertCalls(
    scope,
    Array.from({ length: 6 }, (_, n) => ({
      bucket: new Date(baseline.from.getTime() + n * 600_000),
      src: second,
      dst: names.at(-1)!,
      latencies: Array.from({ length: 9 }, (_, call) => 5 + call),
    })),
  )
  await insertMetrics(
    scope,
    ['GET', 'PUT'].map((method) => ({
      bucket: range.from,
      resource: first,
      metric: 'requests',
      labels: { method, code: 200 },
      samples: [1],
    })),
  )
  await insertSketches(
    scope,
    [range.from, baseline.from].flatMap((bucket) =>
      [first, second].map((resource) => ({ bucket, resource, dimension, items: ['ada', 'bob', resource], failed: ['ada'] })),
    ),
  )
  const event = await events.recordEvent(scope, { severity: 'ERROR', kind: 'anomaly', title: 'slow', resource: first })
  const refPg = { table: 'metric_1m', keys: { metric } } as const
  await events.attachEvidence(scope, { eventId: event, evidence: [{ dim: 'metric', refPg, note: 'cpu' }] })
  await knowledge.addDocuments(scope, [
    { source: 'runbooks', title: 'Slow payments', url: 'https://wiki/slow', chunks: [{ content: 'Look at the disk.', embedding }] },
    { source: 'wiki', title: 'Fast payments', chunks: [{ content: 'Well done.', embedding: embedding.map((value) => value / 2) }] },
  ])
  return { event }
}

/**
 * Every public function that returns a query, in each of the ways that its options make other SQL
 * of it, over what `makeGraphWorld` and `makeEverythingElse` made; one that is left out is refused
 * by the compiler.
 */
export function everyRead(scope: Scope, names: readonly string[], { event }: { event: string }, { age }: { age: boolean }) {
  const all = { from: baseline.from, to: range.to }
  const resource = names[1]!
  const frame = metrics.metricSeries(scope, { metric, measure: 'avg', range: all, resolution: '5 minutes' })
  return {
    ...named('series', seriesReads(scope, calls.callSeries(scope, { measure: 'p95_ms', range: all }), { before: baseline, after: range })),
    ...named('graph', queriesOf(graphReads(scope, names))),
    ...(age && named('AGE', queriesOf(ageReads(scope, names)))),
    // As in a scope that was made before the graph.
    ...(age && {
      'AGE: activeCalls of the function': calls
        .activeCalls({ ...scope, graphMade: false })
        .orderBy('src')
        .orderBy('dst'),
    }),
    ...seriesVariants(scope, frame, all),
    ...graphVariants(scope, names),
    ...others(scope, { event, names, resource, all }),
  } satisfies Record<string, Read>
}

/** Every read that has no list of its own. */
function others(
  scope: Scope,
  { event, names, resource, all }: { event: string; names: readonly string[]; resource: string; all: typeof range },
): Record<string, Read> {
  const labels = {}
  const rolled = scope.installation.timeRung === 'community' ? scope : { ...scope, rolledUntil: () => range.from }
  const ranked = ranking.rankBy(scope, calls.callSummary(scope, { range }), { item: 'dst_urn', score: 'p95_ms' })
  const reads = {
    metricSeries: [
      ...metricMeasures.flatMap((measure) =>
        (['series', 'resource', 'metric'] as const).flatMap((by) =>
          ['1 minute', '5 minutes', '1 hour'].map((resolution) =>
            metrics.metricSeries(scope, { metric, measure, by, resolution, range: all }),
          ),
        ),
      ),
      ...(['series', 'resource', 'metric'] as const).map((by) =>
        metrics.metricSeries(scope, {
          metric: [metric, 'other'],
          resource: [resource, names[0]!],
          labels,
          measure: 'avg',
          by,
          range: all,
        }),
      ),
    ],
    latestMetrics: metricMeasures.flatMap((measure) =>
      (['series', 'resource'] as const).map((by) => metrics.latestMetrics(scope, { metric, resource, labels, measure, by, range: all })),
    ),
    labelCardinality: [
      metrics.labelCardinality(scope, { range: all }),
      metrics.labelCardinality(scope, { metric: 'requests', resource: names[0]!, range: all }),
      metrics.labelCardinality(scope, { metric: ['requests', metric], resource: names, range: all }),
    ],
    patternSeries: (['pattern', 'resource'] as const).flatMap((by) =>
      ['5 minutes', '15 minutes', '1 hour'].flatMap((resolution) => [
        logs.patternSeries(scope, { measure: 'count_total', by, resolution, range: all }),
        logs.patternSeries(scope, { measure: 'count_error', by, resolution, range: all, resource, severity: 'ERROR', fingerprintId: '1' }),
      ]),
    ),
    newPatterns: [
      logs.newPatterns(scope, { range }),
      logs.newPatterns(scope, { range, resource }),
      logs.newPatterns(scope, { range, silence: '1 hour' }),
    ],
    patternDiversity: [logs.patternDiversity(scope, { range }), logs.patternDiversity(scope, { range, resource })],
    burstingPatterns: [
      logs.burstingPatterns(scope, { range, baseline, factor: 1, threshold: 0 }),
      logs.burstingPatterns(scope, { range, baseline, resource }),
    ],
    vanishedPatterns: [
      logs.vanishedPatterns(scope, { range, baseline, factor: 1, threshold: 0 }),
      logs.vanishedPatterns(scope, { range, baseline, resource }),
    ],
    noisiestPatterns: [logs.noisiestPatterns(scope, { range }), logs.noisiestPatterns(scope, { range, baseline, resource })],
    patternDetails: [logs.patternDetails(scope, { fingerprintId: '1', range: all })],
    searchPatterns: [logs.searchPatterns(scope, { text: 'failed', threshold: 0 })],
    similarPatterns: [logs.similarPatterns(scope, { fingerprintId: '1', threshold: 0 })],
    // As after upkeep, which stores what it rolled: until the middle of the range.
    stored: [
      ...metricMeasures.map((measure) => metrics.metricSeries(rolled, { metric, measure, resolution: '1 day', range: all })),
      ...callMeasures.map((measure) => calls.callSeries(rolled, { measure, resolution: '1 day', range: all })),
      logs.patternSeries(rolled, { measure: 'count_total', resolution: '1 day', range: all }),
    ],
    activeUsers: [cardinality.activeUsers(scope, { range: all, dimension, resource })],
    affected: [incident.affected(scope, { range, baseline, dimension })],
    latestData: [incident.latestData(scope, { now: range.to })],
    cardinalityGrowth: [cardinality.cardinalityGrowth(scope, { range, baseline })],
    distinctOver: (['all', 'resource'] as const).map((by) => cardinality.distinctOver(scope, { dimension, range: all, by })),
    distinctSeries: (['distinct', 'distinct_error', 'count_total'] as const).flatMap((measure) =>
      (['dimension', 'resource'] as const).flatMap((by) =>
        ['5 minutes', '1 hour', '1 day'].map((resolution) =>
          cardinality.distinctSeries(scope, { dimension, measure, by, resolution, range: all }),
        ),
      ),
    ),
    heavyHitterChanges: [cardinality.heavyHitterChanges(scope, { dimension, range, baseline })],
    heavyHitters: [cardinality.heavyHitters(scope, { dimension, range: all })],
    overlap: [
      cardinality.overlap(scope, { dimension, a: { range }, b: { range: baseline, measure: 'distinct_error' } }),
      cardinality.overlap(scope, { dimension, a: { range: all, resource }, b: { range: all, resource: names } }),
    ],
    retention: (['day', 'week', 'month'] as const).map((by) => cardinality.retention(scope, { range: all, by, resource })),
    evidenceChain: [events.evidenceChain(scope, { eventId: event })],
    searchKnowledge: [
      knowledge.searchKnowledge(scope, { embedding }),
      knowledge.searchKnowledge(scope, { text: 'payment is slow' }),
      knowledge.searchKnowledge(scope, { text: 'payment is slow', feedback: {}, diversity: 0.3 }),
      ...(['min-max', 'distribution', 'reciprocal-rank'] as const).map((method) =>
        knowledge.searchKnowledge(scope, { text: 'payment is slow', embedding, model: 'm', fusion: { method } }),
      ),
      knowledge.searchKnowledge(scope, {
        embedding,
        where: { source: 'wiki', resource, labels: { team: 'a' }, metadata: { a: 1 }, addedDuring: range },
      }),
      ...(['cosine', 'ip'] as const).map((embeddingDistance) =>
        knowledge.searchKnowledge({ ...scope, installation: { ...scope.installation, embeddingDistance } }, { embedding }),
      ),
    ],
    relatedKnowledge: [
      incident.relatedKnowledge(scope, { title: 'payment is slow' }),
      incident.relatedKnowledge(scope, {
        title: 'payment is slow',
        patterns: ['slow <*>'],
        resources: names.slice(0, 2),
        embedding,
        model: 'm',
      }),
    ],
    rankBy: [ranked],
    fuseRankings: (['min-max', 'distribution', 'reciprocal-rank'] as const).map((method) =>
      ranking.fuseRankings(scope, [ranked, ranked], { method }),
    ),
    topK: [ranking.topK(scope, ranked, 3)],
    distinctCount: [sketch.distinctCount(scope, calls.callSummary(scope, { range }), 'dst_urn')],
  } satisfies Record<Others | 'stored', Read[]>
  return numbered(reads)
}

/** The functions on series with the options that `seriesReads` does not give them. */
function seriesVariants(scope: Scope, frame: series.SeriesFrame, all: typeof range): Record<string, Read> {
  const hourly = { season: '1 hour', slot: '5 minutes' }
  const other = series.shift(scope, frame, { earlier: '1 hour' })
  const labelled = metrics.metricSeries(scope, { metric, measure: 'avg', range: all })
  const whole = (frame: series.SeriesFrame) => series.aggregateAcross(scope, frame, { with: 'avg' })
  return numbered({
    resample: ([...reductions, 'first', 'last'] as const).map((how) => series.resample(scope, frame, { every: '20 minutes', with: how })),
    gapfill: (['null', 'zero', 'last', 'linear'] as const).map((fill) => series.gapfill(scope, frame, { every: '5 minutes', range, fill })),
    rate: [series.rate(scope, frame, { counter: true })],
    delta: [series.delta(scope, frame)],
    movingAverage: [series.movingAverage(scope, frame, { points: 3 })],
    movingQuantile: [series.movingQuantile(scope, frame, { q: 0.5, window: '20 minutes' })],
    ewma: [series.ewma(scope, frame, { lambda: 0.5 })],
    shift: [other],
    join: (['series', 'bucket'] as const).flatMap((on) =>
      (['inner', 'full'] as const).map((how) => series.join(scope, frame, other, { on, how })),
    ),
    combine: combinations.flatMap((op) => [
      series.combine(scope, frame, other, { op }),
      series.combine(scope, whole(frame), whole(other), { op, on: 'bucket', series: 'one' }),
    ]),
    aggregateAcross: [
      ...reductions.map((how) => series.aggregateAcross(scope, frame, { with: how })),
      series.aggregateAcross(scope, labelled, { with: 'sum', by: { label: 'cpu' } }),
      series.aggregateAcross(scope, labelled, { with: 'sum', by: { resource: 'type' } }),
      series.aggregateAcross(scope, labelled, { with: 'sum', by: { resourceLabel: 'team' } }),
    ],
    anomalies: [
      series.anomalies(scope, frame, { threshold: 0, floor: 0.1, minSpread: 0.1 }),
      series.anomalies(scope, frame, { method: 'ewma', threshold: 0 }),
      series.anomalies(scope, frame, { method: 'seasonal', ...hourly, history: '1 hour', minPoints: 1, threshold: 0 }),
    ],
    firstDeparture: [
      series.firstDeparture(scope, frame, { method: 'ewma' }),
      series.firstDeparture(scope, frame, { method: 'seasonal', ...hourly, history: '1 hour', minPoints: 1, threshold: 0 }),
    ],
    linearTrend: [series.linearTrend(scope, frame, { confidence: 0.8 })],
    timeToThreshold: [series.timeToThreshold(scope, frame, { threshold: 0, direction: 'down' })],
    forecast: [series.forecast(scope, frame, { horizon: '30 minutes', every: '5 minutes', season: '1 hour', slot: '5 minutes' })],
    errorBudget: [series.errorBudget(scope, { total: frame, bad: frame }, { objective: 0.9 })],
  })
}

/**
 * The walks and the reads of calls and topology with the options that `graphReads` does not give
 * them.
 */
function graphVariants(scope: Scope, names: readonly string[]): Record<string, Read> {
  const [first, second, , fourth] = names as [string, string, string, string]
  const own = scope.db
    .selectFrom(sql<graph.EdgeRow>`${scope.id('topo_edge_time')}`.as('link'))
    .select([
      sql<string>`"src_resource_id"`.as('src'),
      sql<string>`"dst_resource_id"`.as('dst'),
      sql<number | null>`null::float8`.as('weight'),
    ])
  const edges = calls.callsDuring(scope, { range, where: (eb) => eb('call.call_count', '>', '0') })
  const filter = { relation: 'calls', source: 'tracing' }
  return numbered({
    reach: (['out', 'in', 'both'] as const).flatMap((direction) =>
      [edges, own].map((frame) => graph.reach(scope, frame, { from: [first, second], direction, hops: 2, withPaths: true })),
    ),
    impact: [graph.impact(scope, own, { resource: second, hops: 2 })],
    shortestPath: (['out', 'in', 'both'] as const).flatMap((direction) => [
      graph.shortestPath(scope, own, { from: first, to: fourth, direction }),
      graph.shortestPath(scope, edges, { from: first, to: fourth, direction, length: 'weight' }),
    ]),
    kShortestPaths: [graph.kShortestPaths(scope, own, { from: first, to: fourth, direction: 'both', limit: 2 })],
    pathsBetween: [graph.pathsBetween(scope, own, { from: first, to: fourth, hops: 3, direction: 'both' })],
    cycles: [graph.cycles(scope, own)],
    neighbourhood: (['out', 'in', 'both'] as const).map((direction) =>
      graph.neighbourhood(scope, own, { resource: first, hops: 1, direction }),
    ),
    topologyAt: [topology.topologyAt(scope, { at: before, ...filter })],
    topologyChanges: [topology.topologyChanges(scope, { range, ...filter })],
    compareTopology: [topology.compareTopology(scope, { before, after: graphTimes.after, ...filter })],
    edgeHistory: [topology.edgeHistory(scope, { from: first, to: second, ...filter })],
    callSeries: callMeasures.flatMap((measure) =>
      (['call', 'callee', 'caller'] as const).flatMap((by) =>
        ['5 minutes', '15 minutes', '1 hour'].map((resolution) => calls.callSeries(scope, { measure, by, resolution, range })),
      ),
    ),
    callSummary: [calls.callSummary(scope, { from: first, range }), calls.callSummary(scope, { to: second, by: 'callee', range })],
    compareCalls: [
      calls.compareCalls(scope, { baseline, candidate: range, minCalls: 1 }),
      calls.compareCalls(scope, { from: first, baseline, candidate: range, side: 'callee', percentile: 0.5, minCalls: 1 }),
    ],
    callFan: (['caller', 'callee'] as const).map((by) => calls.callFan(scope, { by, range })),
    callOddities: [incident.callOddities(scope, { range, baseline, thresholds: { latencyFactor: 1, latencyRiseMs: 0, errorRise: 0 } })],
    patternOddities: [incident.patternOddities(scope, { range, baseline })],
    callShapeOddities: [incident.callShapeOddities(scope, { range, baseline })],
    metricOddities: [
      incident.metricOddities(scope, { range, baseline, meanings: [{ metric: 'shop.good', means: 'availability' }], deviations: 0 }),
    ],
    rankSuspects: (['latency', 'errors', undefined] as const).map((trouble) =>
      incident.rankSuspects(scope, {
        service: first,
        range,
        baseline,
        trouble,
        meanings: [{ metric: 'shop.good', means: 'availability' }],
      }),
    ),
  })
}

const named = (room: string, reads: Record<string, Read>): Record<string, Read> =>
  Object.fromEntries(Object.entries(reads).map(([name, read]) => [`${room}: ${name}`, read]))

const numbered = (reads: Record<string, Read[]>): Record<string, Read> =>
  Object.fromEntries(Object.entries(reads).flatMap(([name, variants]) => variants.map((read, index) => [`${name} ${index + 1}`, read])))

const queriesOf = (reads: Record<string, { query: Read }>): Record<string, Read> =>
  Object.fromEntries(Object.entries(reads).map(([name, { query }]) => [name, query]))
