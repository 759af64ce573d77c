import type { AbstractGraph, Attributes } from 'graphology-types'
import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import { adjacencyOf, type Adjacency } from './adjacency.ts'
import { strongComponentsOf } from './strongComponents.ts'

export interface LayersOptions {
  /**
   * Keys of the vertices where requests come in. Default: those that no edge leads to, and all
   * vertices of a cycle that no edge leads to.
   */
  entries?: readonly string[]
  /**
   * `longest` (the default): an edge always leads to a later layer, except within a cycle, whose
   * vertices share a layer. `shortest`: the fewest edges from an entry.
   */
  method?: 'longest' | 'shortest'
}

export interface LayerRow<Vertex> {
  /** The vertex's key. */
  vertex: string
  attributes: Vertex
  /** From 0; null if no entry leads there. */
  layer: number | null
}

const layersOptions = z.strictObject({
  entries: z.array(z.string()).optional(),
  method: z.enum(['longest', 'shortest']).default('longest'),
})

/**
 * How many calls each vertex is behind the entry points. Ordered by layer, then key; vertices that
 * no entry leads to come last.
 *
 * With `longest`, each cycle is condensed to one vertex first, so that a longest path exists. An
 * entry that another entry leads to is then behind that one; with `shortest` every entry is in
 * layer 0.
 *
 * @throws InvalidInputError if an entry is not a vertex of the graph.
 * @example
 * const rows = layers(graph, { entries: ['17'] })
 * Map.groupBy(rows, ({ layer }) => layer)
 */
export function layers<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
  options: LayersOptions = {},
): LayerRow<Vertex>[] {
  const { entries, method } = parseOptions(layersOptions, options)
  const unknown = entries?.findIndex((entry) => !graph.hasNode(entry)) ?? -1
  if (unknown !== -1) throw new InvalidInputError(`entries[${unknown}]`, `is not a vertex of the graph: ${preview(entries![unknown])}`)
  const adjacency = adjacencyOf(graph)
  const components = strongComponentsOf(adjacency)
  const given = entries && new Set(entries)
  const isEntry = given ? (vertex: number) => given.has(adjacency.keys[vertex]!) : uncalled(adjacency, components.componentOf)
  const sources = Array.from(adjacency.keys.keys()).filter(isEntry)
  const depths = method === 'shortest' ? fewestEdges(adjacency, sources) : mostEdges(adjacency, components, sources)
  return adjacency.keys
    .map((vertex, index) => ({ vertex, attributes: graph.getNodeAttributes(vertex), layer: depths[index] === -1 ? null : depths[index]! }))
    .sort((a, b) => (a.layer ?? Infinity) - (b.layer ?? Infinity) || 0)
}

/** Whether no other component leads to the component of a vertex. */
function uncalled({ keys, starts, targets }: Adjacency, componentOf: Uint32Array): (vertex: number) => boolean {
  const called = new Set<number>()
  keys.forEach((_, vertex) => {
    for (let edge = starts[vertex]!; edge < starts[vertex + 1]!; edge += 1) {
      const to = componentOf[targets[edge]!]!
      if (to !== componentOf[vertex]) called.add(to)
    }
  })
  return (vertex) => !called.has(componentOf[vertex]!)
}

/** -1 for vertices that no source leads to. */
function fewestEdges({ keys, starts, targets }: Adjacency, sources: readonly number[]): Int32Array {
  const depths = new Int32Array(keys.length).fill(-1)
  const queue = [...sources]
  for (const source of sources) depths[source] = 0
  for (let head = 0; head < queue.length; head += 1) {
    const vertex = queue[head]!
    for (let edge = starts[vertex]!; edge < starts[vertex + 1]!; edge += 1) {
      const to = targets[edge]!
      if (depths[to] !== -1) continue
      depths[to] = depths[vertex]! + 1
      queue.push(to)
    }
  }
  return depths
}

/** For the condensed graph; -1 for components that no source leads to. */
function mostEdges(
  { keys, starts, targets }: Adjacency,
  { componentOf, count }: { componentOf: Uint32Array; count: number },
  sources: readonly number[],
): Int32Array {
  const depths = new Int32Array(count).fill(-1)
  for (const source of sources) depths[componentOf[source]!] = 0
  // Edges lead to components with lower numbers. In descending order, every edge to a component is
  // done before its own turn.
  const byComponent = Array.from(keys.keys()).sort((a, b) => componentOf[b]! - componentOf[a]!)
  for (const vertex of byComponent) {
    const depth = depths[componentOf[vertex]!]!
    if (depth === -1) continue
    for (let edge = starts[vertex]!; edge < starts[vertex + 1]!; edge += 1) {
      const to = componentOf[targets[edge]!]!
      if (to !== componentOf[vertex]) depths[to] = Math.max(depths[to]!, depth + 1)
    }
  }
  return Int32Array.from(keys, (_, vertex) => depths[componentOf[vertex]!]!)
}
