import type { AbstractGraph, Attributes } from 'graphology-types'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { adjacencyOf, type Adjacency } from './adjacency.ts'

export interface SinglePointsOptions {
  /** The most vertices in `cut_off_vertices`. Default 20. */
  limit?: number
}

export interface CutOff {
  /** The number of vertices outside the largest remaining part. */
  cut_off: number
  /** Some of them, at most `limit`, in the order of a depth-first search. */
  cut_off_vertices: string[]
}

export interface ArticulationPoint<Vertex> extends CutOff {
  /** The vertex's key. */
  vertex: string
  attributes: Vertex
  /** The sizes of the parts that remain without this vertex, largest first; at least two. */
  parts: number[]
}

export interface Bridge extends CutOff {
  /** The keys of the two vertices, in the direction of the edge; sorted if edges lead both ways. */
  src: string
  dst: string
  /**
   * The keys of the edges between the two. There are several if edges are parallel or lead both
   * ways.
   */
  edges: string[]
}

export interface SinglePoints<Vertex> {
  articulationPoints: ArticulationPoint<Vertex>[]
  bridges: Bridge[]
}

const singlePointsOptions = z.strictObject({
  limit: z.int('must be a whole number').min(0, 'must be at least 0').default(20),
})

/**
 * The single points of failure of a graph: vertices (articulation points) and connections between
 * two vertices (bridges) whose loss disconnects something.
 *
 * - The direction of edges does not matter. Edges from a vertex to itself are ignored. Several
 *   edges between the same two vertices are one connection.
 * - Everything outside the largest remaining part is cut off. If several parts are equally large,
 *   the order of the keys decides.
 * - Rows are ordered by `cut_off`, descending, then by key. There are none if any two vertices of a
 *   component are connected in two independent ways.
 *
 * Hopcroft and Tarjan, Algorithm 447: Efficient Algorithms for Graph Manipulation, Communications
 * of the ACM 16 (1973). One depth-first search: time and memory are proportional to the graph, for
 * any depth.
 *
 * @throws InvalidInputError if an option is out of its range.
 * @example
 * const { articulationPoints } = singlePointsOfFailure(await toGraphology(topologyAt(scope, { at, relation: 'runs_on' })))
 * // [{ vertex: '17', parts: [120, 3, 1], cut_off: 4, cut_off_vertices: ['23', '5', '9', '31'],
 * //   attributes: {} }, ...]
 */
export function singlePointsOfFailure<Vertex extends Attributes, Edge extends Attributes>(
  graph: AbstractGraph<Vertex, Edge>,
  options: SinglePointsOptions = {},
): SinglePoints<Vertex> {
  const { limit } = parseOptions(singlePointsOptions, options)
  const adjacency = adjacencyOf(graph, { undirected: true })
  const { keys } = adjacency
  const { sequence, met, low, size, parent, root } = searchTreeOf(adjacency)
  const named = (found: readonly number[]) => found.map((place) => keys[sequence[place]!]!)
  const places = (stretches: readonly Stretch[], without: readonly Stretch[] = []) => firstPlaces(limit, stretches, without)

  /**
   * The children of a vertex that only this vertex connects with what is above it; for a root all
   * children.
   */
  const separated = new Map<number, number[]>()
  const bridges: Bridge[] = []
  for (const child of sequence) {
    const above = parent[child]!
    if (above === child) continue
    if (above === root[child] || low[child]! >= met[above]!) append(separated, above, child)
    if (low[child]! > met[above]!) {
      const whole = { from: met[root[child]!]!, size: size[root[child]!]! }
      const below = { from: met[child]!, size: size[child]! }
      const kept = below.size * 2 >= whole.size ? below : undefined
      const lost = kept ? places([whole], [below]) : places([below])
      bridges.push({
        ...endsOf(graph, keys[above]!, keys[child]!),
        cut_off: kept ? whole.size - below.size : below.size,
        cut_off_vertices: named(lost),
      })
    }
  }

  const articulationPoints: ArticulationPoint<Vertex>[] = []
  for (const [vertex, children] of separated) {
    const whole = { from: met[root[vertex]!]!, size: size[root[vertex]!]! }
    const below = children.map((child) => ({ from: met[child]!, size: size[child]! }))
    const rest = whole.size - 1 - below.reduce((sum, part) => sum + part.size, 0)
    const parts = [...below.map((part) => part.size), ...(rest > 0 ? [rest] : [])].sort((a, b) => b - a)
    if (parts.length < 2) continue
    const self = { from: met[vertex]!, size: 1 }
    // The rest of the component is around the subtree. The largest part is that rest, or a subtree
    // if one is larger.
    const largest = rest >= parts[0]! ? undefined : below.findLast((part) => part.size === parts[0])!
    const lost = largest ? places([whole], [self, largest]) : places(below)
    articulationPoints.push({
      vertex: keys[vertex]!,
      attributes: graph.getNodeAttributes(keys[vertex]!),
      parts,
      cut_off: whole.size - 1 - parts[0]!,
      cut_off_vertices: named(lost),
    })
  }
  return {
    articulationPoints: articulationPoints.sort((a, b) => b.cut_off - a.cut_off || compareBytes(a.vertex, b.vertex)),
    bridges: bridges.sort((a, b) => b.cut_off - a.cut_off || compareBytes(a.src, b.src) || compareBytes(a.dst, b.dst)),
  }
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

/** A subtree of the search: a range of places in the sequence. */
interface Stretch {
  from: number
  size: number
}

/** The first places of the stretches that are not inside one of the others. */
function firstPlaces(count: number, stretches: readonly Stretch[], without: readonly Stretch[]): number[] {
  const places: number[] = []
  for (const { from, size } of stretches) {
    for (let place = from; place < from + size; place += 1) {
      if (places.length === count) return places
      const skipped = without.find((part) => part.from <= place && place < part.from + part.size)
      if (skipped === undefined) places.push(place)
      else place = skipped.from + skipped.size - 1
    }
  }
  return places
}

interface SearchTree {
  /** The vertices in the order of the search: a subtree is a range of it, and so is a component. */
  sequence: Uint32Array
  /** The place of each vertex in the sequence. */
  met: Uint32Array
  /** The first place that the vertex's subtree is connected with by an edge outside of the tree. */
  low: Uint32Array
  /** The size of its subtree. */
  size: Uint32Array
  /** The parent of each vertex; a root is its own parent. */
  parent: Uint32Array
  root: Uint32Array
}

function searchTreeOf({ keys, starts, targets }: Adjacency): SearchTree {
  const order = keys.length
  const [sequence, met, low] = [new Uint32Array(order), new Uint32Array(order), new Uint32Array(order)]
  const [size, parent, root] = [new Uint32Array(order), new Uint32Array(order), new Uint32Array(order)]
  const next = starts.slice(0, order)
  let clock = 0
  const path: number[] = []
  const enter = (vertex: number, above: number) => {
    parent[vertex] = above
    root[vertex] = above === vertex ? vertex : root[above]!
    sequence[clock] = vertex
    met[vertex] = clock
    low[vertex] = clock
    size[vertex] = 1
    clock += 1
    path.push(vertex)
  }
  for (let start = 0; start < order; start += 1) {
    if (size[start] === 0) enter(start, start)
    while (path.length > 0) {
      const vertex = path.at(-1)!
      if (next[vertex]! < starts[vertex + 1]!) {
        const to = targets[next[vertex]!]!
        next[vertex]! += 1
        if (size[to] === 0) enter(to, vertex)
        else if (to !== parent[vertex]) low[vertex] = Math.min(low[vertex]!, met[to]!)
        continue
      }
      path.pop()
      const above = parent[vertex]!
      if (above === vertex) continue
      size[above]! += size[vertex]!
      low[above] = Math.min(low[above]!, low[vertex]!)
    }
  }
  return { sequence, met, low, size, parent, root }
}

/** The edges between two vertices, and their direction. */
function endsOf(graph: AbstractGraph, a: string, b: string): { src: string; dst: string; edges: string[] } {
  const [first, second] = a < b ? [a, b] : [b, a]
  const edges = graph.edges(first, second).sort()
  return graph.hasEdge(first, second) ? { src: first, dst: second, edges } : { src: second, dst: first, edges }
}
