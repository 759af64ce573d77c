import type { AbstractGraph, Attributes } from 'graphology-types'

/**
 * The edges of a graphology graph as rows with names instead of keys, for `graphPicture`,
 * `graphDot`, `graphMermaid` and `graphGraphml`.
 *
 * @param nameOf gives the name of a vertex. Default: its key.
 * @example
 * const graph = await toGraphology(activeCalls(scope), { scope, vertices: resourceNames(scope) })
 * const svg = await graphPicture({ title: 'Who calls whom', edges: edgesOf(graph, (_, { urn }) => urn) })
 */
export function edgesOf<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
  nameOf: (key: string, attributes: Vertex) => string = (key) => key,
): (Edge & { src_urn: string; dst_urn: string })[] {
  return graph.mapEdges((_, attributes, src, dst, caller, callee) => ({
    ...attributes,
    src_urn: nameOf(src, caller),
    dst_urn: nameOf(dst, callee),
  }))
}
