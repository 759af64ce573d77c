import type { DirectedGraph } from 'graphology'
import { expectTypeOf } from 'vitest'
import { activeCalls, type ActiveCall } from '../../src/calls/activeCalls.ts'
import type { Scope } from '../../src/database/scope.ts'
import { impact, mirrorGraph, reach, toGraphology, type EdgeFrame } from '../../src/graph/index.ts'
import { topologyAt } from '../../src/topology/index.ts'

declare const scope: Scope
declare const narrow: EdgeFrame

const topology = topologyAt(scope, { at: new Date() })

expectTypeOf(await activeCalls(scope).execute()).toEqualTypeOf<ActiveCall[]>()
expectTypeOf((await topology.execute())[0]!.valid_to).toEqualTypeOf<Date | null>()
expectTypeOf((await topology.execute())[0]!.src).toEqualTypeOf<string>()
expectTypeOf(await reach(scope, topology, { from: 'a' }).execute()).toEqualTypeOf<
  { resource_id: string; urn: string; depth: number; via_urn: string }[]
>()
expectTypeOf((await impact(scope, activeCalls(scope), { resource: 'a' }).execute())[0]!.share).toEqualTypeOf<number>()
expectTypeOf(await toGraphology(activeCalls(scope))).toEqualTypeOf<DirectedGraph<Record<string, never>, Omit<ActiveCall, 'src' | 'dst'>>>()
void mirrorGraph(scope, activeCalls(scope), { attributes: ['rps'], keepEarliest: ['first_seen'] })
// @ts-expect-error a property must be a column of the frame
void mirrorGraph(scope, activeCalls(scope), { attributes: ['nothing'] })
void reach(scope, narrow, { from: ['a', 'b'], direction: 'both' })
// @ts-expect-error rows without src and dst are no edges
void reach(scope, reach(scope, narrow, { from: 'a' }), { from: 'a' })
