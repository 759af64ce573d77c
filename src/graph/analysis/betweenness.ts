import type { Adjacency } from './adjacency.ts'
import { seededRandom } from './seededRandom.ts'

export interface Betweenness {
  /** By vertex number, 0..1. */
  shares: Float64Array
  /** Whether fewer sources were searched from than there are vertices. */
  estimated: boolean
}

export interface Effort {
  /** The number of vertices to search from; undefined: as many as `steps` allows. */
  pivots: number | undefined
  /** Which vertices to search from, if not from all. */
  seed: number
  /** Without `pivots`, no further search begins once this many edges were followed. */
  steps: number
}

/**
 * For each vertex, the share of ordered pairs of other vertices whose shortest paths (by hops) pass
 * through it. If a pair has several shortest paths, each counts as a fraction. All shares are 0 in
 * a graph with fewer than three vertices.
 *
 * Brandes, A Faster Algorithm for Betweenness Centrality, Journal of Mathematical Sociology 25
 * (2001): one search and one way back for each source. From a random sample of sources the result
 * is scaled up (Brandes and Pich, Centrality Estimation in Large Networks, 2007).
 *
 * It is written here because graphology counts shortest paths in 32 bits, which a few dense layers
 * overflow, and allocates an array for each vertex and source.
 */
export function betweennessOf({ keys, starts, targets }: Adjacency, { pivots, seed, steps }: Effort): Betweenness {
  const order = keys.length
  const passing = new Float64Array(order)
  const ways = new Float64Array(order)
  const depth = new Int32Array(order).fill(-1)
  const dependency = new Float64Array(order)
  const visited = new Uint32Array(order)
  const sources = shuffled(order, seed)
  const wanted = Math.min(pivots ?? order, order)
  let [searched, followed] = [0, 0]
  while (searched < wanted && (pivots !== undefined || followed < steps)) {
    const source = sources[searched++]!
    let [head, tail] = [0, 1]
    visited[0] = source
    depth[source] = 0
    ways[source] = 1
    while (head < tail) {
      const from = visited[head++]!
      followed += starts[from + 1]! - starts[from]!
      for (let edge = starts[from]!; edge < starts[from + 1]!; edge += 1) {
        const to = targets[edge]!
        if (depth[to] === -1) {
          depth[to] = depth[from]! + 1
          visited[tail++] = to
        }
        if (depth[to] === depth[from]! + 1) ways[to]! += ways[from]!
      }
    }
    for (let index = tail - 1; index >= 0; index -= 1) {
      const from = visited[index]!
      for (let edge = starts[from]!; edge < starts[from + 1]!; edge += 1) {
        const to = targets[edge]!
        if (depth[to] === depth[from]! + 1) dependency[from]! += (ways[from]! / ways[to]!) * (1 + dependency[to]!)
      }
      if (from !== source) passing[from]! += dependency[from]!
    }
    for (let index = 0; index < tail; index += 1) {
      const vertex = visited[index]!
      depth[vertex] = -1
      ways[vertex] = 0
      dependency[vertex] = 0
    }
  }
  const pairs = (order - 1) * (order - 2)
  const scale = pairs > 0 ? order / searched / pairs : 0
  return { shares: passing.map((amount) => amount * scale), estimated: searched < order }
}

/** The numbers below `order`, in an order that the seed decides. */
function shuffled(order: number, seed: number): Uint32Array {
  const numbers = Uint32Array.from({ length: order }, (_, index) => index)
  const random = seededRandom(seed)
  for (let index = order - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1))
    ;[numbers[index], numbers[other]] = [numbers[other]!, numbers[index]!]
  }
  return numbers
}
