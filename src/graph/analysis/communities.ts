import { UndirectedGraph } from 'graphology'
import imported from 'graphology-communities-louvain'
import type { AbstractGraph, Attributes } from 'graphology-types'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { adjacencyOf, type Adjacency } from './adjacency.ts'
import { seededRandom } from './seededRandom.ts'

// The package's types declare a default export, but the module itself is that export.
const louvain = imported.default ?? imported

export interface CommunitiesOptions<Edge extends Attributes = Attributes> {
  /** The attribute of the edges that says how strong they are. Default `weight`. */
  weight?: keyof Edge & string
  /** A higher value gives more and smaller communities: Louvain's resolution. Default 1. */
  granularity?: number
  /** Decides the order in which vertices are visited. Default 1. */
  seed?: number
}

export interface Community {
  /** From 0, in the order of the rows. */
  community: number
  size: number
  /** The keys of its vertices, sorted. */
  vertices: string[]
  /**
   * 0..1: the share of the weight of its vertices' edges that stays inside; null if they have none.
   */
  inside: number | null
}

export interface Communities {
  /**
   * How much more of the weight stays inside communities than at random, -0.5..1 (at a
   * `granularity` of 1); 0 without edges.
   */
  modularity: number
  /** Largest first, then by first vertex. */
  communities: Community[]
}

const communitiesOptions = z.strictObject({
  weight: z.string().default('weight'),
  granularity: z.number('must be a number').positive('must be above 0').default(1),
  seed: z.int('must be a whole number').default(1),
})

/**
 * Groups of vertices that are connected more with each other than with the rest. The direction of
 * edges does not matter.
 *
 * Louvain (Blondel, Guillaume, Lambiotte and Lefebvre, Fast Unfolding of Communities in Large
 * Networks, 2008), by graphology. A weight that is null counts as 1, a negative one as 0; if all
 * weights are 0, all edges count the same. A vertex without edges is a community of its own. The
 * same graph and seed give the same communities, in whichever order the graph was built.
 *
 * @throws InvalidInputError if an option is out of its range or a weight is not a finite number.
 * @example
 * const { communities: groups } = communities(graph)
 * groups.map(({ size, inside, vertices }) => `${size} services, ${inside} inside: ${vertices.join(', ')}`)
 */
export function communities<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
  options: CommunitiesOptions<Edge> = {},
): Communities {
  const { weight, granularity, seed } = parseOptions(communitiesOptions, options)
  const adjacency = withSomeWeight(adjacencyOf(graph, { undirected: true, weight }))
  const { communities: numbers, modularity } = louvain.detailed(plainOf(adjacency), {
    getEdgeWeight: 'weight',
    resolution: granularity,
    rng: seededRandom(seed),
  })
  const { keys, starts, targets, weights } = adjacency
  const found = new Map<number, { vertices: string[]; inside: number; total: number }>()
  keys.forEach((key, vertex) => {
    const number = numbers[vertex]!
    const group = found.get(number) ?? { vertices: [], inside: 0, total: 0 }
    found.set(number, group)
    group.vertices.push(key)
    for (let edge = starts[vertex]!; edge < starts[vertex + 1]!; edge += 1) {
      group.total += weights[edge]!
      if (numbers[targets[edge]!] === number) group.inside += weights[edge]!
    }
  })
  // Communities were found in the order of their first vertices, and sorting keeps that order among
  // equals.
  const ordered = [...found.values()].sort((a, b) => b.vertices.length - a.vertices.length)
  return {
    // For a graph without edges graphology gives NaN.
    modularity: modularity || 0,
    communities: ordered.map(({ vertices, inside, total }, community) => ({
      community,
      size: vertices.length,
      vertices,
      inside: total > 0 ? inside / total : null,
    })),
  }
}

const withSomeWeight = (adjacency: Adjacency): Adjacency =>
  adjacency.weights.some((weight) => weight > 0) ? adjacency : { ...adjacency, weights: adjacency.weights.map(() => 1) }

/** The edges with a weight above 0, between vertex numbers. */
function plainOf({ keys, starts, targets, weights }: Adjacency): UndirectedGraph<Attributes, { weight: number }> {
  const plain = new UndirectedGraph<Attributes, { weight: number }>()
  keys.forEach((_, vertex) => plain.addNode(vertex))
  keys.forEach((_, vertex) => {
    for (let edge = starts[vertex]!; edge < starts[vertex + 1]!; edge += 1) {
      if (vertex < targets[edge]! && weights[edge]! > 0) plain.addUndirectedEdge(vertex, targets[edge]!, { weight: weights[edge]! })
    }
  })
  return plain
}
