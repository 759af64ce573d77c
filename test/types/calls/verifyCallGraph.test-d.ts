import { expectTypeOf } from 'vitest'
import { verifyCallGraph, type CallGraphDifference } from '../../../src/calls/index.ts'
import { unitScope } from '../../support/unitScope.ts'

const differences = verifyCallGraph(unitScope(), { window: '1 hour' })

expectTypeOf(await differences.execute()).toEqualTypeOf<CallGraphDifference[]>()
expectTypeOf((await differences.execute())[0]!.difference).toEqualTypeOf<'missing' | 'surplus' | 'different'>()
void differences.where('property', '=', 'p95_ms')
// @ts-expect-error no edge has such a property
void differences.where('property', '=', 'p99_ms')
