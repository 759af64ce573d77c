import { DirectedGraph } from 'graphology'
import { pagerank } from 'graphology-metrics/centrality/index.js'
import type { AbstractGraph, Attributes } from 'graphology-types'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { adjacencyOf, type Adjacency } from './adjacency.ts'
import { betweennessOf } from './betweenness.ts'

export interface CriticalityOptions<Edge extends Attributes = Attributes> {
  /** What comes first. Default `page_rank`. */
  orderBy?: 'page_rank' | 'betweenness'
  /**
   * The attribute of the edges that says how much goes along them, for `page_rank`. Default
   * `weight`.
   */
  weight?: keyof Edge & string
  /**
   * From how many vertices betweenness is measured; from fewer than there are, it is an estimate.
   * `Infinity` measures from all. Default: from as many as 100 million steps along edges allow,
   * which takes a second or two.
   */
  pivots?: number
  /** Which ones are drawn, where not all are. Default 1. */
  seed?: number
}

export interface CriticalityRow<Vertex> {
  /** The vertex's key: for a graph of `toGraphology` its `resource_id`. */
  vertex: string
  /** What the vertex carries. */
  attributes: Vertex
  /**
   * 0..1, all together 1: how often one comes by who walks along the edges at random, by weight,
   * and now and then starts again anywhere.
   */
  page_rank: number
  /**
   * 0..1: the share of pairs of other vertices whose shortest ways (by hops) lead over this one.
   */
  betweenness: number
  /** Whether `betweenness` is estimated, from fewer pivots than vertices. */
  estimated: boolean
}

const criticalityOptions = z.strictObject({
  orderBy: z.enum(['page_rank', 'betweenness']).default('page_rank'),
  weight: z.string().default('weight'),
  pivots: z.union([z.int('must be a whole number').min(1, 'must be at least 1'), z.literal(Infinity)]).optional(),
  seed: z.int('must be a whole number').default(1),
})

/**
 * The vertices of a graph, most critical first: what much depends on (PageRank), or what much
 * passes through (betweenness); of equal ones by key.
 *
 * PageRank (Page, Brin, Motwani and Winograd, 1999; damping 0.85) flows along the edges, so in a
 * graph of calls it gathers where requests end up. It is exact to 1e-9 in all. A weight that is
 * null counts as 1, a negative one as 0; where all that leave a vertex are 0, they count the same.
 * A call to oneself is none, parallel edges are one. Betweenness takes a search of the graph for
 * each of the `pivots`, and says when it is an estimate.
 *
 * A graph without vertices has no rows; one with a single vertex gives it all the rank. The same
 * graph gives the same rows, however it was built.
 *
 * @throws InvalidInputError when an option is out of its range, or a weight is no finite number.
 * @example
 * const graph = await toGraphology(activeCalls(scope), { scope, vertices: resourceNames(scope) })
 * criticality(graph).slice(0, 5).map(({ attributes, page_rank }) => `${attributes.urn} ${page_rank}`)
 */
export function criticality<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
  options: CriticalityOptions<Edge> = {},
): CriticalityRow<Vertex>[] {
  const { orderBy, weight, pivots, seed } = parseOptions(criticalityOptions, options)
  const adjacency = adjacencyOf(graph, { weight })
  const ranks = pageRankOf(adjacency)
  const { shares, estimated } = betweennessOf(adjacency, { pivots, seed, steps: 100_000_000 })
  return adjacency.keys
    .map((vertex, index) => ({
      vertex,
      attributes: graph.getNodeAttributes(vertex),
      page_rank: ranks[index]!,
      betweenness: shares[index]!,
      estimated,
    }))
    .sort((a, b) => b[orderBy] - a[orderBy])
}

/**
 * Below this the ranks of two rounds count as the same: what is missing to the limit is at most
 * 0.85 / (1 - 0.85), not quite six times, as much. 0.85 to the power of the rounds falls below it
 * long before they end.
 */
const difference = 1e-10
const rounds = 200

/** The ranks by number of the vertex. */
function pageRankOf({ keys, starts, targets, weights }: Adjacency): Float64Array {
  if (keys.length === 0) return new Float64Array()
  const plain = new DirectedGraph<Attributes, { weight: number }>()
  keys.forEach((_, vertex) => plain.addNode(vertex))
  keys.forEach((_, vertex) => {
    const [from, to] = [starts[vertex]!, starts[vertex + 1]!]
    const idle = weights.subarray(from, to).every((weight) => weight === 0)
    for (let edge = from; edge < to; edge += 1) plain.addDirectedEdge(vertex, targets[edge]!, { weight: idle ? 1 : weights[edge]! })
  })
  // Its tolerance is one for each vertex, ours one for all of them.
  const ranks = pagerank(plain, { getEdgeWeight: 'weight', tolerance: difference / keys.length, maxIterations: rounds })
  return Float64Array.from(keys, (_, vertex) => ranks[vertex]!)
}
