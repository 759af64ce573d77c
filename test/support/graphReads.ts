import { expect } from 'vitest'
import * as calls from '../../src/calls/index.ts'
import type { Scope } from '../../src/database/index.ts'
import * as graph from '../../src/graph/index.ts'
import type { EdgeFrame, EdgeRow } from '../../src/graph/index.ts'
import * as incident from '../../src/incident/index.ts'
import * as topology from '../../src/topology/index.ts'
import { graphTimes } from './graphWorld.ts'
import { rounded, type Read } from './narrowed.ts'
import { at } from './rows.ts'

/** A query, and a column of it in which its rows differ. */
export interface GraphRead {
  query: Read
  by: string
}

const read = <Row extends object>(query: Read<Row>, by: keyof Row & string): GraphRead => ({ query, by })

/** Of equal scores one may be greater in its last digit, so their order is not always the same. */
const byUrn = (hit: ReturnType<typeof graph.impact>) => hit.orderBy('hit.urn')

/** The names of what a room exports that returns a query. */
type Queries<Room> = {
  [Name in keyof Room]: Room[Name] extends (...args: never[]) => { readonly isSelectQueryBuilder: true } ? Name : never
}[keyof Room]

type Known = Queries<typeof graph> | Queries<typeof topology> | Queries<typeof calls> | Queries<typeof incident>
type NeedsAge = 'activeCalls' | 'verifyCallGraph' | 'cypher'
/** Of values that nobody has here. */
type NeedsSketches = 'affected' | 'latestData'
type NeedsKnowledge = 'relatedKnowledge'
/** Of changes that nothing has here. */
type NeedsChanges = 'patternOddities' | 'callShapeOddities' | 'metricOddities'
type Walk = 'reach' | 'impact' | 'shortestPath' | 'kShortestPaths' | 'pathsBetween' | 'cycles' | 'neighbourhood'

/** Every function that walks the edges of a frame, over any frame of the edges between these names (see `makeGraphWorld`). */
export function walkReads<Row extends EdgeRow>(scope: Scope, edges: EdgeFrame<Row>, names: readonly string[]) {
  // As far around the ring as a path of a few steps leads.
  const ends = { from: names[0]!, to: names[Math.min(6, names.length - 3)]! }
  return {
    reach: read(graph.reach(scope, edges, { from: names[0]!, hops: 100 }), 'urn'),
    'reach, against the edges': read(graph.reach(scope, edges, { from: [names[0]!, names[2]!], direction: 'in' }), 'urn'),
    impact: read(byUrn(graph.impact(scope, edges, { resource: names[2]! })), 'urn'),
    shortestPath: read(graph.shortestPath(scope, edges, ends), 'urn'),
    'shortestPath, whatever the direction': read(graph.shortestPath(scope, edges, { ...ends, direction: 'both' }), 'step'),
    kShortestPaths: read(graph.kShortestPaths(scope, edges, { ...ends, limit: 5 }), 'rank'),
    pathsBetween: read(graph.pathsBetween(scope, edges, ends), 'urn'),
    cycles: read(graph.cycles(scope, edges), 'size'),
    neighbourhood: read(graph.neighbourhood(scope, edges, { resource: names[0]! }), 'src'),
  } satisfies Record<Walk, GraphRead> & Record<string, GraphRead>
}

/**
 * Every function of the graph, the topology, the calls and the incident that returns a query, over what `makeGraphWorld` made of these names; one that is left
 * out is refused by the compiler. Each answer has rows that differ in the column `by`.
 */
export function graphReads(scope: Scope, names: readonly string[]) {
  const { range, baseline, before, after } = graphTimes
  const [first, second, , fourth] = names as [string, string, string, string]
  const edges = calls.callsDuring(scope, { range })
  const recorded = topology.topologyAt(scope, { at: before, relation: 'calls' })
  return {
    ...walkReads(scope, edges, names),
    'reach over topology': read(graph.reach(scope, recorded, { from: first }), 'urn'),
    'impact over topology': read(byUrn(graph.impact(scope, topology.topologyAt(scope, { at: after }), { resource: names.at(-1)! })), 'urn'),
    'shortestPath by length': read(graph.shortestPath(scope, edges, { from: first, to: fourth, length: 'p95_ms' }), 'urn'),
    'kShortestPaths by length': read(graph.kShortestPaths(scope, edges, { from: first, to: fourth, length: 'p95_ms' }), 'urn'),
    resourceNames: read(graph.resourceNames(scope), 'urn'),
    topologyAt: read(topology.topologyAt(scope, { at: before }), 'relation'),
    topologyChanges: read(topology.topologyChanges(scope, { range }), 'kind'),
    compareTopology: read(topology.compareTopology(scope, { before, after, withUnchanged: true }), 'kind'),
    edgeHistory: read(topology.edgeHistory(scope, { from: first, to: second }), 'valid_from'),
    'callFan, out': read(calls.callFan(scope, { by: 'caller', range }), 'urn'),
    callFan: read(calls.callFan(scope, { by: 'callee', range }), 'urn'),
    callsDuring: read(edges, 'dst'),
    callSeries: read(calls.callSeries(scope, { measure: 'p95_ms', range }), 'series'),
    compareCalls: read(calls.compareCalls(scope, { baseline, candidate: range }), 'dst_urn'),
    callSummary: read(calls.callSummary(scope, { range }), 'dst_urn'),
    slowestDependencies: read(calls.slowestDependencies(scope, { service: first, range }), 'dst_urn'),
    callOddities: read(incident.callOddities(scope, { range, baseline }), 'dst_urn'),
    rankSuspects: read(incident.rankSuspects(scope, { service: first, range, baseline }), 'urn'),
  } satisfies Record<Exclude<Known, NeedsAge | NeedsSketches | NeedsKnowledge | NeedsChanges>, GraphRead> & Record<string, GraphRead>
}

/** The same of what only works where there is Apache AGE, with the walks over its graph. */
export function ageReads(scope: Scope, names: readonly string[]) {
  const active = calls.activeCalls(scope)
  const walks = Object.entries(walkReads(scope, active, names)).map(([name, walk]) => [`${name} over the graph`, walk] as const)
  const text = `
    MATCH (a:Resource)-[c:CALLS]->(b:Resource) WHERE b.urn <> $not
    RETURN a.urn, b.urn, b.resource_id, c.rps, {name: a.name, seen: c.last_seen} ORDER BY a.resource_id, b.resource_id
  `
  const columns = { caller: 'text', callee: 'text', resource_id: 'int8', rps: 'float8', more: 'map' } as const
  return {
    ...Object.fromEntries(walks),
    activeCalls: read(active.orderBy('src').orderBy('dst'), 'dst'),
    verifyCallGraph: read(calls.verifyCallGraph(scope, { now: at('09:58'), window: '20 minutes' }), 'property'),
    cypher: read(graph.cypher(scope, { columns }, text, { not: names.at(-1)! }), 'callee'),
  } satisfies Record<NeedsAge, GraphRead> & Record<string, GraphRead>
}

/** What all of them answer, but for the last digits of their sums. */
export async function answersOf(reads: Record<string, GraphRead>): Promise<Record<string, object[]>> {
  const answers: Record<string, object[]> = {}
  for (const [name, { query }] of Object.entries(reads)) answers[name] = rounded(await query.execute())
  return answers
}

/** Answers with URNs in the place of ids, as two tenants that have the same can be compared. */
export function withoutIds(answers: Record<string, object[]>, urns: ReadonlyMap<string, string>): unknown {
  const names = new Map([...urns].map(([urn, id]) => [id, urn]))
  return Object.fromEntries(
    Object.entries(answers).map(([name, rows]) => [
      name,
      rows.map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key, idColumn.test(key) ? names.get(String(value)) : value])),
      ),
    ]),
  )
}

/** Every id in the answers is one of these. */
export function expectOnlyIds(answers: Record<string, object[]>, ids: ReadonlySet<string>): void {
  for (const [name, rows] of Object.entries(answers)) {
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        if (idColumn.test(column)) expect([name, column, value, ids.has(String(value))]).toEqual([name, column, value, true])
      }
    }
  }
}

const idColumn = /^(?:src|dst|(?:\w+_)?resource_id)$/
