import { expectTypeOf } from 'vitest'
import { activeCalls, type ActiveCall } from '../../../src/calls/activeCalls.ts'
import type { Scope } from '../../../src/database/scope.ts'
import {
  cycles,
  kShortestPaths,
  neighbourhood,
  pathsBetween,
  reach,
  shortestPath,
  toGraphology,
  type EdgeFrame,
} from '../../../src/graph/index.ts'
import { topologyAt } from '../../../src/topology/index.ts'

declare const scope: Scope
declare const narrow: EdgeFrame

const calls = activeCalls(scope)
const ends = { from: 'a', to: 'b' }

expectTypeOf(await shortestPath(scope, calls, { ...ends, length: 'p95_ms' }).execute()).toEqualTypeOf<
  { step: number; resource_id: string; urn: string; length: number | null; cost: number }[]
>()
expectTypeOf((await reach(scope, narrow, { from: 'a', withPaths: true }).execute())[0]!.path).toEqualTypeOf<string[]>()
expectTypeOf((await reach(scope, narrow, { from: 'a' }).execute())[0]!).not.toHaveProperty('path')
expectTypeOf((await kShortestPaths(scope, narrow, ends).execute())[0]!.rank).toEqualTypeOf<number>()
expectTypeOf((await pathsBetween(scope, narrow, ends).execute())[0]!.cut).toEqualTypeOf<boolean>()
expectTypeOf((await cycles(scope, narrow).execute())[0]!.cycle).toEqualTypeOf<string[]>()

const around = neighbourhood(scope, calls, { resource: 'a' })
expectTypeOf(await around.execute()).toEqualTypeOf<ActiveCall[]>()
void toGraphology(around.where('err_rate', '>', 0.5))
void reach(scope, neighbourhood(scope, topologyAt(scope, { at: new Date() }), { resource: 'a' }).where('relation', '=', 'runs_on'), {
  from: 'a',
})

// @ts-expect-error a length must be a column of the frame
void shortestPath(scope, narrow, { ...ends, length: 'p95_ms' })
// @ts-expect-error rows without src and dst are no edges
void cycles(scope, cycles(scope, narrow))
