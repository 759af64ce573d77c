import { DirectedGraph } from 'graphology'
import { InvalidInputError } from '../schema/errors.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'

/**
 * Executes an edge frame and returns it as a graphology graph: a vertex per id that occurs (the id is its key), an edge per row with the row's
 * other columns as typed attributes. Everything of graphology works on it.
 *
 * @throws InvalidInputError when two rows have the same ends, as topology of several relations may: narrow the frame to one relation first.
 * @example
 * const graph = await toGraphology(callsDuring(scope, { range: last('1 hour') }))
 * graph.forEachEdge((edge, { weight }, src, dst) => console.log(src, dst, weight))
 */
export async function toGraphology<Row extends EdgeRow>(
  edges: EdgeFrame<Row>,
): Promise<DirectedGraph<Record<string, never>, Omit<Row, 'src' | 'dst'>>> {
  const graph = new DirectedGraph<Record<string, never>, Omit<Row, 'src' | 'dst'>>()
  for (const { src, dst, ...attributes } of await edges.execute()) {
    graph.mergeNode(src)
    graph.mergeNode(dst)
    if (graph.hasEdge(src, dst)) {
      throw new InvalidInputError(
        'edges',
        `has more than one edge from ${src} to ${dst}: narrow the frame, or sum it up, until there is one`,
      )
    }
    graph.addEdge(src, dst, attributes)
  }
  return graph
}
