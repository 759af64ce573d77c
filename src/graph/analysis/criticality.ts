import { DirectedGraph } from 'graphology'
import { pagerank } from 'graphology-metrics/centrality/index.js'
import type { AbstractGraph, Attributes } from 'graphology-types'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { adjacencyOf, type Adjacency } from './adjacency.ts'
import { betweennessOf } from './betweenness.ts'

export interface CriticalityOptions<Edge extends Attributes = Attributes> {
  /** The column to order by, descending. Default `page_rank`. */
  orderBy?: 'page_rank' | 'betweenness'
  /** The edge attribute with the traffic, for `page_rank`. Default `weight`. */
  weight?: keyof Edge & string
  /**
   * The number of vertices that betweenness is measured from. If it is smaller than the number of
   * vertices, betweenness is an estimate. `Infinity` measures from all. Default: as many as 100
   * million steps along edges allow, which takes a second or two.
   */
  pivots?: number
  /** Which vertices are drawn, if not all are. Default 1. */
  seed?: number
}

export interface CriticalityRow<Vertex> {
  /** The vertex's key: its `resource_id` in a graph of `toGraphology`. */
  vertex: string
  /** The attributes of the vertex. */
  attributes: Vertex
  /**
   * 0..1, 1 in total: how often a random walk is at this vertex. The walk follows edges by weight
   * and sometimes restarts at a random vertex.
   */
  page_rank: number
  /**
   * 0..1: the share of pairs of other vertices whose shortest paths (by hops) pass through this
   * one.
   */
  betweenness: number
  /** Whether `betweenness` is an estimate from fewer pivots than vertices. */
  estimated: boolean
}

const criticalityOptions = z.strictObject({
  orderBy: z.enum(['page_rank', 'betweenness']).default('page_rank'),
  weight: z.string().default('weight'),
  pivots: z.union([z.int('must be a whole number').min(1, 'must be at least 1'), z.literal(Infinity)]).optional(),
  seed: z.int('must be a whole number').default(1),
})

/**
 * The vertices of a graph, most critical first: those that much depends on (PageRank), or that much
 * passes through (betweenness). Equal ones are ordered by key.
 *
 * | | |
 * |---|---|
 * | PageRank | Page, Brin, Motwani and Winograd, 1999, with damping 0.85. It flows along the edges: in a call graph it gathers where requests end. Exact to 1e-9 in total |
 * | betweenness | one search of the graph for each of the `pivots`; `estimated` says whether it is an estimate |
 * | weights | null counts as 1, a negative one as 0; if all edges that leave a vertex have weight 0, they count the same |
 * | edges | an edge from a vertex to itself is ignored; parallel edges are one |
 * | a graph without vertices | has no rows; a single vertex gets all the rank |
 *
 * The same graph gives the same rows, in whichever order it was built.
 *
 * @throws InvalidInputError if an option is out of its range or a weight is not a finite number.
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
 * Ranks of two rounds that differ by less than this count as the same. The distance to the limit is
 * at most 0.85 / (1 - 0.85) times this difference, less than six times. 0.85 to the power of the
 * rounds falls below it long before the rounds end.
 */
const difference = 1e-10
const rounds = 200

/** The ranks by vertex number. */
function pageRankOf({ keys, starts, targets, weights }: Adjacency): Float64Array {
  if (keys.length === 0) return new Float64Array()
  const plain = new DirectedGraph<Attributes, { weight: number }>()
  keys.forEach((_, vertex) => plain.addNode(vertex))
  keys.forEach((_, vertex) => {
    const [from, to] = [starts[vertex]!, starts[vertex + 1]!]
    const idle = weights.subarray(from, to).every((weight) => weight === 0)
    for (let edge = from; edge < to; edge += 1) plain.addDirectedEdge(vertex, targets[edge]!, { weight: idle ? 1 : weights[edge]! })
  })
  // graphology's tolerance is for each vertex, ours for all of them together.
  const ranks = pagerank(plain, { getEdgeWeight: 'weight', tolerance: difference / keys.length, maxIterations: rounds })
  return Float64Array.from(keys, (_, vertex) => ranks[vertex]!)
}
