import type { AbstractGraph, Attributes } from 'graphology-types'
import { compareBytes } from '../../schema/compareBytes.ts'
import { adjacencyOf } from './adjacency.ts'
import { strongComponentsOf } from './strongComponents.ts'

export interface StrongComponent {
  /** The number of vertices. */
  size: number
  /** Their keys, sorted. */
  vertices: string[]
  /**
   * Whether a path leads from a vertex back to itself: true from two vertices on, and for one
   * vertex with an edge to itself.
   */
  cyclic: boolean
}

/**
 * The strongly connected components of a graph: vertices that can all reach each other, such as
 * cycles of calls. Largest first, then by their first vertex. Every vertex is in exactly one.
 *
 * @example
 * const circles = stronglyConnectedComponents(graph).filter(({ cyclic }) => cyclic)
 */
export function stronglyConnectedComponents<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
): StrongComponent[] {
  const adjacency = adjacencyOf(graph)
  const { componentOf, count } = strongComponentsOf(adjacency)
  const vertices: string[][] = Array.from({ length: count }, () => [])
  adjacency.keys.forEach((key, vertex) => vertices[componentOf[vertex]!]!.push(key))
  return vertices
    .map((keys) => ({ size: keys.length, vertices: keys, cyclic: keys.length > 1 || graph.hasEdge(keys[0]!, keys[0]!) }))
    .sort((a, b) => b.size - a.size || compareBytes(a.vertices[0]!, b.vertices[0]!))
}
