import type { DirectedGraph, MultiDirectedGraph } from 'graphology'
import { expectTypeOf } from 'vitest'
import { activeCalls, type ActiveCall } from '../../../src/calls/activeCalls.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { communities, criticality, layers, singlePointsOfFailure, stronglyConnectedComponents } from '../../../src/graph/index.ts'
import { reach, resourceNames, toGraphology, type ReachRow } from '../../../src/graph/index.ts'

declare const scope: Scope

interface Named {
  resource_id: string
  urn: string
  type: string
  name: string
}
type Call = Omit<ActiveCall, 'src' | 'dst'>

const calls = activeCalls(scope)
const named = await toGraphology(calls, { scope, vertices: resourceNames(scope) })

expectTypeOf(await toGraphology(calls, { scope })).toEqualTypeOf<DirectedGraph<Record<string, never>, Call>>()
expectTypeOf(named).toEqualTypeOf<DirectedGraph<Named, Call>>()
expectTypeOf(await toGraphology(calls, { multi: true })).toEqualTypeOf<MultiDirectedGraph<Record<string, never>, Call>>()
expectTypeOf(await toGraphology(calls, { scope, multi: true, vertices: reach(scope, calls, { from: 'a' }) })).toEqualTypeOf<
  MultiDirectedGraph<ReachRow, Call>
>()
expectTypeOf(named.getEdgeAttribute('e', 'p95_ms')).toEqualTypeOf<number | null>()
// @ts-expect-error vertices are read on the scope's connection
void toGraphology(calls, { vertices: resourceNames(scope) })
// @ts-expect-error rows of vertices have a resource_id
void toGraphology(calls, { scope, vertices: calls })

expectTypeOf(criticality(named, { weight: 'rps' })[0]!.attributes.urn).toEqualTypeOf<string>()
// @ts-expect-error the weight is an attribute of the edges
void criticality(named, { weight: 'urn' })
expectTypeOf(singlePointsOfFailure(named).articulationPoints[0]!.attributes).toEqualTypeOf<Named>()
expectTypeOf(stronglyConnectedComponents(named)[0]!.vertices).toEqualTypeOf<string[]>()
expectTypeOf(communities(named, { weight: 'rps' }).communities[0]!.inside).toEqualTypeOf<number | null>()
expectTypeOf(layers(named)[0]!.layer).toEqualTypeOf<number | null>()
