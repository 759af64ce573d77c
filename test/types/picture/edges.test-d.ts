import type { DirectedGraph } from 'graphology'
import { expectTypeOf } from 'vitest'
import { changePicture, edgesOf, graphDot, graphGraphml, graphMermaid, graphPicture } from '../../../src/picture/index.ts'
import type { ComparedEdge } from '../../../src/topology/index.ts'

declare const graph: DirectedGraph<{ urn: string }, { rps: number; err_rate: number | null }>

const edges = edgesOf(graph, (_, { urn }) => urn)
expectTypeOf(edges[0]!).toExtend<{ src_urn: string; dst_urn: string; rps: number; err_rate: number | null }>()
expectTypeOf(await graphPicture({ title: 't', edges, paths: [['a', 'b']] })).toEqualTypeOf<string>()
expectTypeOf(graphDot({ title: 't', edges, limit: 10 })).toEqualTypeOf<string>()
expectTypeOf(graphMermaid({ title: 't', edges })).toEqualTypeOf<string>()
expectTypeOf(graphGraphml({ edges, vertices: [{ name: 'a', team: 'shop' }] })).toEqualTypeOf<string>()
// @ts-expect-error a vertex has a name
graphGraphml({ edges, vertices: [{ team: 'shop' }] })
void changePicture({ title: 't', edges: [{ src_urn: 'a', dst_urn: 'b', kind: 'appeared' }] })
declare const compared: ComparedEdge[]
void changePicture({ title: 't', edges: compared })
// @ts-expect-error what became of an edge is one of four
void changePicture({ title: 't', edges: [{ src_urn: 'a', dst_urn: 'b', kind: 'new' }] })
// @ts-expect-error rows without ends are no edges
graphDot({ title: 't', edges: [{ rps: 1 }] })
