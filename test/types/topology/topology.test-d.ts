import { expectTypeOf } from 'vitest'
import { callsDuring } from '../../../src/calls/index.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { reach } from '../../../src/graph/index.ts'
import type { Json } from '../../../src/schema/text.ts'
import {
  compareTopology,
  edgeHistory,
  recordTopology,
  topologyAt,
  topologyChanges,
  type TopologyCounts,
  type TopologyEdge,
} from '../../../src/topology/index.ts'
import { at, during } from '../../support/rows.ts'

declare const scope: Scope
declare const stream: AsyncIterable<TopologyEdge>

const range = during('10:00', '11:00')
const options = { at: at('11:00'), relation: 'calls', source: 'tracing' }

expectTypeOf(topologyAt(scope, { at: at('10:00') }).execute()).resolves.items.toEqualTypeOf<{
  src: string
  dst: string
  weight: number | null
  src_urn: string
  dst_urn: string
  relation: string
  props: Json
  valid_from: Date | null
  valid_to: Date | null
  sources: string[]
}>()
expectTypeOf(topologyChanges(scope, { range }).execute()).resolves.items.toEqualTypeOf<{
  at: Date
  kind: 'appeared' | 'vanished' | 'changed'
  src: string
  dst: string
  weight: number | null
  src_urn: string
  dst_urn: string
  relation: string
  props_before: Json | null
  props_after: Json | null
}>()
expectTypeOf(compareTopology(scope, { before: at('10:00'), after: at('11:00') }).execute()).resolves.items.toEqualTypeOf<{
  kind: 'appeared' | 'vanished' | 'changed' | 'unchanged'
  src: string
  dst: string
  weight: number | null
  src_urn: string
  dst_urn: string
  relation: string
  props_before: Json | null
  props_after: Json | null
}>()
expectTypeOf(edgeHistory(scope, { from: 'a', to: 'b' }).execute()).resolves.items.toEqualTypeOf<{
  relation: string
  source: string
  valid_from: Date | null
  valid_to: Date | null
  duration_s: number | null
  props: Json
  src: string
  dst: string
  src_urn: string
  dst_urn: string
}>()

// Both are edge frames.
void reach(scope, compareTopology(scope, { before: at('10:00'), after: at('11:00') }), { from: 'a' })
void reach(scope, topologyChanges(scope, { range }), { from: 'a' })

expectTypeOf(recordTopology(scope, stream, options)).resolves.toEqualTypeOf<TopologyCounts>()
void recordTopology(scope, [{ from: 'a', to: 'b', props: { image: 'a:1' } }], options)
void recordTopology(scope, callsDuring(scope, { range }), { ...options, attributes: ['err_rate'] })
// @ts-expect-error an attribute must be a column of the frame
void recordTopology(scope, callsDuring(scope, { range }), { ...options, attributes: ['nothing'] })
// @ts-expect-error the rows of a walk are no edges
void recordTopology(scope, reach(scope, callsDuring(scope, { range }), { from: 'a' }), options)
// @ts-expect-error a snapshot has a source
void recordTopology(scope, [], { at: at('10:00'), relation: 'calls' })
