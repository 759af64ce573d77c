import fc from 'fast-check'
import { MultiDirectedGraph } from 'graphology'

export type TestGraph = MultiDirectedGraph<{ urn: string }, { weight: number | null }>

/** `graphOf('a>b, b>c:3, d')`: edges with their weights, and vertices without one. */
export function graphOf(text: string): TestGraph {
  const graph: TestGraph = new MultiDirectedGraph()
  for (const part of text.split(',').map((each) => each.trim())) {
    const [, src, dst, weight] = /^(\w*)(?:>(\w+))?(?::(-?[\d.]+))?$/.exec(part)!
    for (const vertex of [src, dst]) if (vertex) graph.mergeNode(vertex, { urn: `urn:${vertex}` })
    if (src && dst) graph.addEdge(src, dst, { weight: weight === undefined ? null : Number(weight) })
  }
  return graph
}

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']

/** Up to 9 vertices and 16 edges, with loops and parallel edges, as the text of `graphOf`. */
export const anyGraph = fc
  .tuple(
    fc.array(fc.constantFrom(...names), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names), fc.constantFrom('', ':0', ':1', ':2.5', ':-3')), {
      maxLength: 16,
    }),
  )
  .map(([alone, edges]) => [...alone, ...edges.map(([src, dst, weight]) => `${src}>${dst}${weight}`)])

/** A chain of so many vertices, too long for what calls itself for each. */
export function chainOf(length: number): TestGraph {
  const graph: TestGraph = new MultiDirectedGraph()
  for (let index = 0; index < length; index += 1) graph.addNode(index, { urn: `urn:${index}` })
  for (let index = 1; index < length; index += 1) graph.addEdge(index - 1, index, { weight: 1 })
  return graph
}
