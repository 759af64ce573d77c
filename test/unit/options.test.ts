import { DirectedGraph } from 'graphology'
import { sql } from 'kysely'
import { expect, it } from 'vitest'
import * as embedded from '../../src/database/connection/embedded.ts'
import * as api from '../../src/index.ts'
import type { Scope } from '../../src/index.ts'
import type * as aiSdk from '../../src/knowledge/embedding/aiSdkEmbeddings.ts'
import * as openAi from '../../src/knowledge/embedding/openAiEmbeddings.ts'
import * as picture from '../../src/picture/index.ts'
import { at, during } from '../support/rows.ts'
import { unitScope } from '../support/unitScope.ts'

type Public = typeof api & typeof picture & typeof embedded & typeof openAi & typeof aiSdk

/** The names of everything public that is called; classes are made. */
type Function = { [Name in keyof Public]: Public[Name] extends (...args: never) => unknown ? Name : never }[keyof Public]

/** Options that the function takes, and a call with them. No database answers: options are looked at before one is asked. */
interface WithOptions {
  options: object
  call: (scope: Scope, options: never) => unknown
}

const range = during('10:00', '11:00')
const baseline = during('09:00', '10:00')
const schema = { schema: 'public' }
const [scope, graph] = [unitScope(), new DirectedGraph()]
const frame = api.callSeries(scope, { measure: 'p95_ms', range })
const edges = api.callsDuring(scope, { range })
const counts = { total: frame, bad: frame }
const ends = { from: 'urn:a', to: 'urn:b' }
const calls = [{ src_urn: 'a', dst_urn: 'b' }]
const embedding = Array<number>(1536).fill(0.1)
const window = {
  from: range.from,
  to: range.to,
  resources: [],
  locators: [],
  patterns: [],
  patternCounts: [],
  metrics: [],
  calls: [],
} as never
const given = <Options extends object>(options: Options, call: (scope: Scope, options: Options) => unknown): WithOptions => ({
  options,
  call,
})

/** Every public function: with its options, or null where it has none. */
const functions: Record<Function, WithOptions | null> = {
  activeCalls: null,
  activeUsers: given({ range }, (scope, options) => api.activeUsers(scope, options)),
  latestData: given({ now: range.to }, (scope, options) => api.latestData(scope, options)),
  affected: given({ range, baseline }, (scope, options) => api.affected(scope, options)),
  addDocuments: given({}, (scope, options) => api.addDocuments(scope, [], options)),
  aggregateAcross: given({ with: 'sum' }, (scope, options) => api.aggregateAcross(scope, frame, options as never)),
  aiSdkEmbeddings: null,
  anomalies: given({}, (scope, options) => api.anomalies(scope, frame, options)),
  applyPolicies: given(schema, ({ db }, options) => api.applyPolicies(db, options)),
  attachEvidence: given({ eventId: '0193d3a0-0000-7000-8000-00000000000c', evidence: [] }, (scope, options) =>
    api.attachEvidence(scope, options),
  ),
  baselineSeries: given({ range }, (scope, options) => api.baselineSeries(scope, frame, options)),
  burnRate: given({ objective: 0.9, at: range.to }, (scope, options) => api.burnRate(scope, counts, options)),
  buildVectorIndex: given(schema, ({ db }, options) => api.buildVectorIndex(db, options)),
  callFan: given({ by: 'caller' as const, range }, (scope, options) => api.callFan(scope, options)),
  burstingPatterns: given({ range, baseline }, (scope, options) => api.burstingPatterns(scope, options)),
  noisiestPatterns: given({ range, baseline }, (scope, options) => api.noisiestPatterns(scope, options)),
  patternDetails: given({ fingerprintId: '1', range }, (scope, options) => api.patternDetails(scope, options)),
  searchPatterns: given({ text: 'failed' }, (scope, options) => api.searchPatterns(scope, options)),
  similarPatterns: given({ fingerprintId: '1' }, (scope, options) => api.similarPatterns(scope, options)),
  vanishedPatterns: given({ range, baseline }, (scope, options) => api.vanishedPatterns(scope, options)),
  callOddities: given({ range, baseline }, (scope, options) => api.callOddities(scope, options)),
  callShapeOddities: given({ range, baseline }, (scope, options) => api.callShapeOddities(scope, options)),
  metricOddities: given({ range, baseline }, (scope, options) => api.metricOddities(scope, options)),
  patternOddities: given({ range, baseline }, (scope, options) => api.patternOddities(scope, options)),
  callSeries: given({ measure: 'p95_ms' as const, range }, (scope, options) => api.callSeries(scope, options)),
  callState: null,
  callSummary: given({ from: 'urn:a', range }, (scope, options) => api.callSummary(scope, options)),
  callsDuring: given({ range }, (scope, options) => api.callsDuring(scope, options)),
  capabilities: null,
  cardinalityGrowth: given({ range, baseline }, (scope, options) => api.cardinalityGrowth(scope, options)),
  changePicture: given({ title: 't', edges: [] }, (_, options) => picture.changePicture(options)),
  changePoints: given({}, (scope, options) => api.changePoints(scope, frame, options)),
  combine: given({ op: 'sum' as const }, (scope, options) => api.combine(scope, frame, frame, options)),
  communities: given({}, (_, options) => api.communities(graph, options)),
  compareQuality: null,
  compareCalls: given({ baseline, candidate: range }, (scope, options) => api.compareCalls(scope, options)),
  compareSeries: given({}, (scope, options) => api.compareSeries(scope, { baseline: frame, candidate: frame }, options)),
  compareTopology: given({ before: at('10:00'), after: at('11:00') }, (scope, options) => api.compareTopology(scope, options)),
  compareWindows: given({ baseline, candidate: range }, (scope, options) => api.compareWindows(scope, frame, options)),
  // Options of pg's own, which pg looks at.
  connect: null,
  criticality: given({}, (_, options) => api.criticality(graph, options)),
  cycles: null,
  cypher: given({ columns: { a: 'text' as const } }, (scope, options) => api.cypher(scope, options, 'MATCH (a) RETURN a.urn')),
  cypherText: null,
  databaseUrn: null,
  decodeAgtype: null,
  decodeHistogram: null,
  encodeHistogram: null,
  createLogMiner: given({}, (_, options) => api.createLogMiner(options)),
  createWriter: given({}, (scope, options) => api.createWriter(scope, options)),
  deleteTenant: given(schema, ({ db }, options) => api.deleteTenant(db, 't-002', options)),
  delta: given({}, (scope, options) => api.delta(scope, frame, options)),
  dimensionItem: null,
  distinctCount: null,
  distinctOver: given({ dimension: 'user', range }, (scope, options) => api.distinctOver(scope, options)),
  distinctSeries: given({ dimension: 'user', range }, (scope, options) => api.distinctSeries(scope, options)),
  doctor: given(schema, ({ db }, options) => api.doctor(db, options)),
  downscale: null,
  edgeHistory: given(ends, (scope, options) => api.edgeHistory(scope, options)),
  edgesOf: null,
  emptyReport: null,
  encodeAgtype: null,
  ensureResource: given({ urn: 'urn:a', type: 't', name: 'n' }, (scope, resource) => api.ensureResource(scope, resource)),
  ensureResources: given({ urn: 'urn:a', type: 't', name: 'n' }, (scope, resource) => api.ensureResources(scope, [resource])),
  ensureTenant: given(schema, ({ db }, options) => api.ensureTenant(db, { code: 'c' }, options)),
  errorBudget: given({ objective: 0.9 }, (scope, options) => api.errorBudget(scope, counts, options)),
  evidenceChain: given({ eventId: '0193d3a0-0000-7000-8000-00000000000c' }, (scope, options) => api.evidenceChain(scope, options)),
  ewma: given({ lambda: 0.5 }, (scope, options) => api.ewma(scope, frame, options)),
  explainCypherError: null,
  firstDeparture: given({}, (scope, options) => api.firstDeparture(scope, frame, options)),
  forecast: given({ horizon: '1 hour', every: '5 minutes' }, (scope, options) => api.forecast(scope, frame, options)),
  gapfill: given({ every: '5 minutes', range, fill: 'null' as const }, (scope, options) => api.gapfill(scope, frame, options)),
  grantsFor: given({ role: 'reader' as const, login: 'somebody' }, ({ db }, options) => api.grantsFor(db, options)),
  graphDot: given({ title: 't', edges: calls }, (_, options) => picture.graphDot(options)),
  graphGraphml: given({ edges: calls }, (_, options) => picture.graphGraphml(options)),
  graphMermaid: given({ title: 't', edges: calls }, (_, options) => picture.graphMermaid(options)),
  graphPicture: given({ title: 't', edges: calls }, (_, options) => picture.graphPicture(options)),
  hashBigint: null,
  hashBoolean: null,
  hashBytes: null,
  hashInteger: null,
  hashSmallint: null,
  hashText: null,
  fuseRankings: given({}, (scope, options) =>
    api.fuseRankings(scope, [api.rankBy(scope, edges, { item: 'dst', score: 'weight' }) as never], options),
  ),
  heavyHitterChanges: given({ dimension: 'user', range, baseline }, (scope, options) => api.heavyHitterChanges(scope, options)),
  heavyHitters: given({ dimension: 'user', range }, (scope, options) => api.heavyHitters(scope, options)),
  histogramCount: null,
  histogramOf: null,
  heavyHittersMerge: given({ capacity: 64 }, (scope, options) => api.heavyHittersMerge(scope, sql`sketch`, options)),
  heavyHittersTop: null,
  histogramQuantile: null,
  hllCardinality: given({ estimator: 'ertl' as const }, (scope, options) => api.hllCardinality(scope, sql`sketch`, options)),
  hllOverlap: null,
  hllUnion: null,
  hostUrn: null,
  impact: given({ resource: 'urn:a' }, (scope, options) => api.impact(scope, edges, options)),
  followFiles: given({}, (scope, options) => api.followFiles(scope, ['none.jsonl'], options)),
  ingest: given({}, (scope, options) => api.ingest(scope, [], options)),
  join: given({}, (scope, options) => api.join(scope, frame, frame, options)),
  kShortestPaths: given({ ...ends, limit: 2 }, (scope, options) => api.kShortestPaths(scope, edges, options)),
  labelCardinality: given({ metric: 'm', range }, (scope, options) => api.labelCardinality(scope, options)),
  isUnknownResource: null,
  last: null,
  latestMetrics: given({ metric: 'm', measure: 'avg' as const, range }, (scope, options) => api.latestMetrics(scope, options)),
  layers: given({}, (_, options) => api.layers(graph, options)),
  linearTrend: given({}, (scope, options) => api.linearTrend(scope, frame, options)),
  listTenants: given(schema, ({ db }, options) => api.listTenants(db, options)),
  maintain: given(schema, ({ db }, options) => api.maintain(db, options)),
  mergeHistograms: null,
  metricSeries: given({ metric: 'm', measure: 'avg' as const, range }, (scope, options) => api.metricSeries(scope, options)),
  migrateDown: given(schema, ({ db }, options) => api.migrateDown(db, options)),
  migratePlan: given(schema, ({ db }, options) => api.migratePlan(db, options)),
  migrateStatus: given(schema, ({ db }, options) => api.migrateStatus(db, options)),
  migrateUp: given(schema, ({ db }, options) => api.migrateUp(db, options)),
  mirrorGraph: given({ label: 'MIRROR', attributes: [] }, (scope, options) => api.mirrorGraph(scope, edges, options)),
  movingAverage: given({ points: 3 }, (scope, options) => api.movingAverage(scope, frame, options)),
  movingQuantile: given({ q: 0.5, points: 3 }, (scope, options) => api.movingQuantile(scope, frame, options)),
  neighbourhood: given({ resource: 'urn:a' }, (scope, options) => api.neighbourhood(scope, edges, options)),
  newPatterns: given({ range }, (scope, options) => api.newPatterns(scope, options)),
  openAiEmbeddings: given({ url: 'http://localhost', model: 'm' }, (_, options) => openAi.openAiEmbeddings(options)),
  openEmbedded: given({}, (_, options) => embedded.openEmbedded(options)),
  parseOtlpRequest: null,
  overlap: given({ dimension: 'user', a: { range }, b: { range: baseline } }, (scope, options) => api.overlap(scope, options)),
  pathsBetween: given({ ...ends, hops: 2 }, (scope, options) => api.pathsBetween(scope, edges, options)),
  patternDiversity: given({ range }, (scope, options) => api.patternDiversity(scope, options)),
  patternOf: null,
  patternSeries: given({ measure: 'count_total' as const, range }, (scope, options) => api.patternSeries(scope, options)),
  picturePage: given({ title: 't', sections: [] }, (_, options) => picture.picturePage(options)),
  planConversion: given(schema, ({ db }, options) => api.planConversion(db, options)),
  planPolicies: given(schema, ({ db }, options) => api.planPolicies(db, options)),
  policiesWith: given({}, (_, options) => api.policiesWith(options)),
  quantileOf: null,
  queueUrn: null,
  rankBy: given({ item: 'dst', score: 'weight' }, (scope, columns) => api.rankBy(scope, edges, columns as never)),
  rankSuspects: given({ service: 'urn:a', range, baseline }, (scope, options) => api.rankSuspects(scope, options)),
  rate: given({}, (scope, options) => api.rate(scope, frame, options)),
  reach: given({ from: 'urn:a' }, (scope, options) => api.reach(scope, edges, options)),
  readTextLogs: given({ service: 's' }, (_, options) => api.readTextLogs('nothing.log', options).next()),
  readOtlp: given({}, (_, options) => api.readOtlp('nothing.jsonl', options).next()),
  recordEvent: given({ severity: 'INFO' as const, kind: 'k', title: 't' }, (scope, event) => api.recordEvent(scope, event)),
  recordTopology: given({ at: at('10:00'), relation: 'r', source: 's' }, (scope, options) => api.recordTopology(scope, [], options)),
  reembed: given({ embed: async () => [], model: 'm' }, (scope, options) => api.reembed(scope, options as never)),
  refreshCallGraph: given({}, (scope, options) => api.refreshCallGraph(scope, options)),
  refreshRange: given({ table: 'metric_1m', range }, ({ db }, options) => api.refreshRange(db, options as never)),
  reindexTerms: given({}, (scope, options) => api.reindexTerms(scope, options)),
  relatedKnowledge: given({ title: 't' }, (scope, options) => api.relatedKnowledge(scope, options)),
  relativeError: null,
  removeDocuments: given({ source: 's' }, (scope, options) => api.removeDocuments(scope, options)),
  rerankKnowledge: given({ text: 't', rerank: async () => [] }, (scope, options) => api.rerankKnowledge(scope, options as never)),
  resample: given({ every: '1 hour', with: 'avg' as const }, (scope, options) => api.resample(scope, frame, options)),
  resourceIds: null,
  retention: given({ range }, (scope, options) => api.retention(scope, options)),
  resourceNames: null,
  retrievalQuality: given({ golden: [] }, (scope, options) => api.retrievalQuality(scope, options)),
  restoreDetector: given(api.streamingDetector().toJSON(), (_, state) => api.restoreDetector(state)),
  restoreDetectors: given(api.streamingDetectors().toJSON(), (_, state) => api.restoreDetectors(state)),
  rollUp: given({}, (_, options) => api.rollUp([], options).next()),
  schemaDrift: given(schema, ({ db }, options) => api.schemaDrift(db, options)),
  searchKnowledge: given({ embedding }, (scope, options) => api.searchKnowledge(scope, options)),
  seasonalBaseline: given({}, (scope, options) => api.seasonalBaseline(scope, frame, options)),
  seriesChart: given({ title: 't', series: [] }, (_, options) => picture.seriesChart(options)),
  serviceUrn: null,
  settleJournals: given(schema, ({ db }, options) => api.settleJournals(db, options)),
  shift: given({ later: '1 hour' }, (scope, options) => api.shift(scope, frame, options)),
  shortestPath: given(ends, (scope, options) => api.shortestPath(scope, edges, options)),
  singlePointsOfFailure: given({}, (_, options) => api.singlePointsOfFailure(graph, options)),
  slowestDependencies: given({ service: 'urn:a', range }, (scope, options) => api.slowestDependencies(scope, options)),
  streamingDetector: given({}, (_, options) => api.streamingDetector(options)),
  streamingDetectors: given({}, (_, options) => api.streamingDetectors(options)),
  splitDocument: given({}, (_, options) => api.splitDocument({ title: 't', content: 'c' }, options)),
  stronglyConnectedComponents: null,
  suspectsPicture: given({ title: 't', suspects: [] }, (_, options) => picture.suspectsPicture(options)),
  tenantScope: given(schema, ({ db }, options) => api.tenantScope(db, 't-001', options)),
  timeToThreshold: given({ threshold: 1 }, (scope, options) => api.timeToThreshold(scope, frame, options)),
  toGraphology: given({}, (_, options) => api.toGraphology(edges, options)),
  topK: null,
  topologyAt: given({ at: at('10:00') }, (scope, options) => api.topologyAt(scope, options)),
  topologyChanges: given({ range }, (scope, options) => api.topologyChanges(scope, options)),
  verifyCallGraph: given({}, (scope, options) => api.verifyCallGraph(scope, options)),
  writeRollups: given({}, (scope, options) => api.writeRollups(scope, window, options)),
}

const withOptions = Object.entries(functions).flatMap(([name, each]): [string, WithOptions][] => (each === null ? [] : [[name, each]]))

it.each(withOptions)('%s refuses a field that it does not know, by its name', async (_, { options, call }) => {
  const outcome = await Promise.resolve()
    .then(() => call(unitScope(), { ...options, unheardOf: 1 } as never))
    .then(
      () => undefined,
      (error: unknown) => error,
    )
  expect(outcome).toBeInstanceOf(api.InvalidInputError)
  expect(String(outcome)).toContain('has no key "unheardOf"')
})
