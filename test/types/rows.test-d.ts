import { expectTypeOf } from 'vitest'
import * as calls from '../../src/calls/index.ts'
import * as cardinality from '../../src/cardinality/index.ts'
import * as events from '../../src/events/index.ts'
import * as graph from '../../src/graph/index.ts'
import * as incident from '../../src/incident/index.ts'
import * as knowledge from '../../src/knowledge/index.ts'
import * as logs from '../../src/logs/index.ts'
import * as metrics from '../../src/metrics/index.ts'
import * as ranking from '../../src/ranking/index.ts'
import * as sketch from '../../src/sketch/index.ts'
import * as topology from '../../src/topology/index.ts'
import { at, during } from '../support/rows.ts'
import { unitScope } from '../support/unitScope.ts'

/** The names of what a room exports that returns a query. */
type Queries<Room> = {
  [Name in keyof Room]: Room[Name] extends (...args: never[]) => { readonly isSelectQueryBuilder: true } ? Name : never
}[keyof Room]

/** The row of a query, and what one gets that is not narrowed. */
const rowOf = <Row>(query: { execute(): Promise<Row[]> }) => expectTypeOf<Awaited<ReturnType<typeof query.execute>>[number]>()

const scope = unitScope()
const range = during('10:00', '11:00')
const edges = calls.callsDuring(scope, { range })
const ends = { from: 'urn:a', to: 'urn:b' }
const cpu = { metric: 'cpu', measure: 'avg', range } as const

/**
 * Every read answers with rows that have a name, which a user can import. One that is added without
 * its line here is refused by the compiler; those of series are held in series/answers.test-d.ts.
 */
const named = {
  activeCalls: rowOf(calls.activeCalls(scope)).toEqualTypeOf<calls.ActiveCall>(),
  callFan: rowOf(calls.callFan(scope, { by: 'caller', range })).toEqualTypeOf<calls.CallFanRow>(),
  callsDuring: rowOf(edges).toEqualTypeOf<calls.CallsDuringRow>(),
  callSeries: rowOf(calls.callSeries(scope, { measure: 'rps', range })).toEqualTypeOf<calls.CallPoint>(),
  callSummary: rowOf(calls.callSummary(scope, { range })).toEqualTypeOf<calls.CallSummaryRow>(),
  compareCalls: rowOf(calls.compareCalls(scope, { baseline: range, candidate: range })).toEqualTypeOf<calls.CallChange>(),
  slowestDependencies: rowOf(calls.slowestDependencies(scope, { service: 'urn:a', range })).toEqualTypeOf<calls.SlowestDependency>(),
  verifyCallGraph: rowOf(calls.verifyCallGraph(scope)).toEqualTypeOf<calls.CallGraphDifference>(),

  metricSeries: [
    rowOf(metrics.metricSeries(scope, cpu)).toEqualTypeOf<metrics.LabelledPoint>(),
    rowOf(metrics.metricSeries(scope, { ...cpu, by: 'resource' })).toEqualTypeOf<metrics.ResourcePoint>(),
    rowOf(metrics.metricSeries(scope, { ...cpu, by: 'metric' })).toEqualTypeOf<metrics.MetricPoint<'metric'>>(),
  ],
  latestMetrics: [
    rowOf(metrics.latestMetrics(scope, cpu)).toEqualTypeOf<metrics.LabelledPoint>(),
    rowOf(metrics.latestMetrics(scope, { ...cpu, by: 'resource' })).toEqualTypeOf<metrics.ResourcePoint>(),
  ],
  labelCardinality: rowOf(metrics.labelCardinality(scope, { range })).toEqualTypeOf<metrics.LabelCardinality>(),

  newPatterns: rowOf(logs.newPatterns(scope, { range })).toEqualTypeOf<logs.NewPattern>(),
  burstingPatterns: rowOf(logs.burstingPatterns(scope, { range, baseline: range })).toEqualTypeOf<logs.ChangedPattern>(),
  noisiestPatterns: rowOf(logs.noisiestPatterns(scope, { range })).toEqualTypeOf<logs.NoisyPattern>(),
  patternDetails: rowOf(logs.patternDetails(scope, { fingerprintId: '1', range })).toEqualTypeOf<logs.PatternDetail>(),
  searchPatterns: rowOf(logs.searchPatterns(scope, { text: 'failed' })).toEqualTypeOf<logs.MatchingPattern>(),
  similarPatterns: rowOf(logs.similarPatterns(scope, { fingerprintId: '1' })).toEqualTypeOf<logs.MatchingPattern>(),
  vanishedPatterns: rowOf(logs.vanishedPatterns(scope, { range, baseline: range })).toEqualTypeOf<logs.ChangedPattern>(),
  patternDiversity: rowOf(logs.patternDiversity(scope, { range })).toEqualTypeOf<logs.PatternDiversity>(),
  patternSeries: rowOf(logs.patternSeries(scope, { measure: 'count_total', range })).toEqualTypeOf<logs.PatternPoint>(),

  topologyAt: rowOf(topology.topologyAt(scope, { at: at('10:00') })).toEqualTypeOf<topology.TopologyAtRow>(),
  topologyChanges: rowOf(topology.topologyChanges(scope, { range })).toEqualTypeOf<topology.TopologyChangeRow>(),
  compareTopology: rowOf(topology.compareTopology(scope, { before: range.from, after: range.to })).toEqualTypeOf<topology.ComparedEdge>(),
  edgeHistory: rowOf(topology.edgeHistory(scope, ends)).toEqualTypeOf<topology.EdgeVersion>(),

  searchKnowledge: rowOf(knowledge.searchKnowledge(scope, { embedding: [1] })).toEqualTypeOf<knowledge.FoundChunk>(),
  evidenceChain: rowOf(events.evidenceChain(scope, { eventId: 'e' })).toEqualTypeOf<events.EvidenceChainRow>(),

  activeUsers: rowOf(cardinality.activeUsers(scope, { range })).toEqualTypeOf<cardinality.ActiveUsers>(),
  cardinalityGrowth: rowOf(cardinality.cardinalityGrowth(scope, { range, baseline: range })).toEqualTypeOf<cardinality.CardinalityGrowth>(),
  distinctOver: rowOf(cardinality.distinctOver(scope, { dimension: 'user', range })).toEqualTypeOf<cardinality.DistinctOver>(),
  distinctSeries: rowOf(cardinality.distinctSeries(scope, { dimension: 'user', range })).toEqualTypeOf<cardinality.DistinctPoint>(),
  heavyHitterChanges: rowOf(
    cardinality.heavyHitterChanges(scope, { dimension: 'user', range, baseline: range }),
  ).toEqualTypeOf<cardinality.HeavyHitterChange>(),
  heavyHitters: rowOf(cardinality.heavyHitters(scope, { dimension: 'user', range })).toEqualTypeOf<cardinality.HeavyHitterOver>(),
  overlap: rowOf(cardinality.overlap(scope, { dimension: 'user', a: { range }, b: { range } })).toEqualTypeOf<cardinality.Overlap>(),
  retention: rowOf(cardinality.retention(scope, { range })).toEqualTypeOf<cardinality.Retention>(),

  latestData: rowOf(incident.latestData(scope)).toEqualTypeOf<incident.LatestData>(),
  affected: rowOf(incident.affected(scope, { range, baseline: range })).toEqualTypeOf<incident.Affected>(),
  callOddities: rowOf(incident.callOddities(scope, { range, baseline: range })).toEqualTypeOf<incident.CallOddity>(),
  callShapeOddities: rowOf(incident.callShapeOddities(scope, { range, baseline: range })).toEqualTypeOf<incident.CallShapeOddity>(),
  metricOddities: rowOf(incident.metricOddities(scope, { range, baseline: range })).toEqualTypeOf<incident.MetricOddity>(),
  patternOddities: rowOf(incident.patternOddities(scope, { range, baseline: range })).toEqualTypeOf<incident.PatternOddity>(),
  relatedKnowledge: rowOf(incident.relatedKnowledge(scope, { title: 't' })).toEqualTypeOf<incident.RelatedChunk>(),
  rankSuspects: rowOf(incident.rankSuspects(scope, { service: 'urn:a', range, baseline: range })).toEqualTypeOf<incident.Suspect>(),

  cycles: rowOf(graph.cycles(scope, edges)).toEqualTypeOf<graph.CycleRow>(),
  cypher: rowOf(graph.cypher(scope, { columns: { urn: 'text' } }, 'MATCH (a) RETURN a.urn')).toEqualTypeOf<
    graph.CypherRow<{ urn: 'text' }>
  >(),
  impact: rowOf(graph.impact(scope, edges, { resource: 'urn:a' })).toEqualTypeOf<graph.ImpactRow>(),
  kShortestPaths: rowOf(graph.kShortestPaths(scope, edges, ends)).toEqualTypeOf<graph.RankedPathStep>(),
  // The edges of the frame, as they are there.
  neighbourhood: rowOf(graph.neighbourhood(scope, edges, { resource: 'urn:a' })).toEqualTypeOf<calls.CallsDuringRow>(),
  pathsBetween: rowOf(graph.pathsBetween(scope, edges, ends)).toEqualTypeOf<graph.PathBetweenStep>(),
  reach: [
    rowOf(graph.reach(scope, edges, { from: 'urn:a' })).toEqualTypeOf<graph.ReachRow>(),
    rowOf(graph.reach(scope, edges, { from: 'urn:a', withPaths: true })).toEqualTypeOf<graph.ReachedPath>(),
  ],
  resourceNames: rowOf(graph.resourceNames(scope)).toEqualTypeOf<graph.ResourceName>(),
  shortestPath: rowOf(graph.shortestPath(scope, edges, ends)).toEqualTypeOf<graph.PathStep>(),

  rankBy: rowOf(ranking.rankBy(scope, edges, { item: 'dst', score: 'weight' })).toEqualTypeOf<
    ranking.RankedRow<calls.CallsDuringRow, 'dst'>
  >(),
  // The rows of the ranking, as they are there.
  fuseRankings: rowOf(
    ranking.fuseRankings(scope, [ranking.rankBy(scope, edges, { item: 'dst', score: 'weight' })]),
  ).toEqualTypeOf<ranking.FusedItem>(),
  topK: rowOf(
    ranking.topK(scope, incident.rankSuspects(scope, { service: 'urn:a', range, baseline: range }), 3),
  ).toEqualTypeOf<incident.Suspect>(),
  distinctCount: rowOf(sketch.distinctCount(scope, edges, 'src')).toEqualTypeOf<sketch.DistinctCount>(),
} satisfies Record<
  | Queries<typeof calls>
  | Queries<typeof cardinality>
  | Queries<typeof metrics>
  | Queries<typeof logs>
  | Queries<typeof topology>
  | Queries<typeof knowledge>
  | Queries<typeof events>
  | Queries<typeof incident>
  | Queries<typeof graph>
  | Queries<typeof ranking>
  | Queries<typeof sketch>,
  unknown
>
void named
