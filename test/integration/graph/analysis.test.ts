import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls, callsDuring, refreshCallGraph } from '../../../src/calls/index.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import {
  communities,
  criticality,
  layers,
  resourceNames,
  singlePointsOfFailure,
  stronglyConnectedComponents,
  toGraphology,
} from '../../../src/graph/index.ts'
import { edgesOf, graphDot, graphMermaid, graphPicture } from '../../../src/picture/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls } from '../../support/rows.ts'

/** The shop: checkout leads to two stores through payment, search and catalogue call each other. */
const calls = [
  ['web', 'checkout'],
  ['web', 'search'],
  ['search', 'catalogue'],
  ['catalogue', 'search'],
  ['checkout', 'payment'],
  ['payment', 'bank'],
  ['payment', 'ledger'],
] as const

apartFromTime('the calls of the shop, in memory', () => {
  let database: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    database = await cleanDatabase()
    scope = await tenant(database.db)
    const rows = calls.map(([src, dst]) => ({ bucket: at('10:00'), src: `urn:svc:${src}`, dst: `urn:svc:${dst}`, latencies: [10, 20] }))
    await insertCalls(scope, rows)
  })
  afterAll(() => database.close())

  const shop = () => toGraphology(callsDuring(scope, { range: during('10:00', '10:10') }), { scope, vertices: resourceNames(scope) })

  it('are analysed under the names of their resources', async () => {
    const graph = await shop()
    const nameOf = (id: string) => graph.getNodeAttribute(id, 'name')

    const [first] = criticality(graph, { orderBy: 'betweenness', weight: 'call_count' })
    expect([first!.attributes.name, first!.betweenness]).toEqual(['payment', expect.closeTo(4 / 30, 12)])
    expect(
      singlePointsOfFailure(graph)
        .articulationPoints.map(({ attributes, cut_off }) => `${attributes.name} ${cut_off}`)
        .sort(),
    ).toEqual(['checkout 3', 'payment 2', 'search 1', 'web 2'])
    expect(
      stronglyConnectedComponents(graph)
        .filter(({ cyclic }) => cyclic)
        .map(({ vertices }) => vertices.map(nameOf).sort()),
    ).toEqual([['catalogue', 'search']])
    expect(
      layers(graph)
        .map(({ attributes, layer }) => `${layer} ${attributes.name}`)
        .sort(),
    ).toEqual(['0 web', '1 catalogue', '1 checkout', '1 search', '2 payment', '3 bank', '3 ledger'])
    expect(communities(graph).communities.map(({ vertices }) => vertices.map(nameOf).sort())).toContainEqual(['bank', 'ledger', 'payment'])
  })

  it('are drawn and written under their URNs', async () => {
    const options = { title: 'The shop', edges: edgesOf(await shop(), (_, { urn }) => urn), suspects: ['urn:svc:bank'] }
    expect(await graphPicture(options)).toContain('<title>urn:svc:bank</title>')
    expect(graphDot(options).match(/->/g)).toHaveLength(calls.length)
    expect(graphMermaid(options).match(/-->/g)).toHaveLength(calls.length)
  })

  it.runIf(leg.age)('are the same read from the graph as from the window it was made of', async () => {
    await refreshCallGraph(scope, { window: '10 minutes', now: at('10:05') })
    const ends = (edges: readonly { src_urn: string; dst_urn: string }[]) =>
      edges.map(({ src_urn, dst_urn }) => `${src_urn} ${dst_urn}`).sort()
    const expected = ends(edgesOf(await shop()))
    // A scope knows of the graph only if it was made after it.
    for (const each of [scope, await tenantScope(database.db, 't-001')]) {
      const graph = await toGraphology(activeCalls(each), { scope: each, vertices: resourceNames(each) })
      expect(ends(edgesOf(graph))).toEqual(expected)
      expect(graph.getEdgeAttribute(graph.edges()[0], 'p95_ms')).toBeGreaterThan(0)
    }
  })
})
