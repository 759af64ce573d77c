import type { AbstractGraph } from 'graphology-types'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

/**
 * A graph as arrays, for algorithms. Vertices are numbers in the order of their keys. The
 * neighbours that vertex `v` leads to are `targets[starts[v]]` up to, but not including,
 * `targets[starts[v + 1]]`, ascending. The arrays, and so the answers, do not depend on the order
 * in which the graph was built.
 */
export interface Adjacency {
  /** The keys by vertex number, in the order of their code units. */
  keys: readonly string[]
  starts: Uint32Array
  targets: Uint32Array
  /** The weight of each entry of `targets`. */
  weights: Float64Array
}

/**
 * The edges of a graph between different vertices. Parallel edges become one with the sum of their
 * weights. An undirected edge leads both ways; with `undirected` every edge does. The weight of an
 * edge is its attribute `weight`: 1 if it is null or missing, 0 if it is negative.
 *
 * @throws InvalidInputError if a weight is not a finite number.
 */
export function adjacencyOf(
  graph: AbstractGraph,
  { undirected = false, weight }: { undirected?: boolean; weight?: string } = {},
): Adjacency {
  const keys = graph.nodes().sort()
  const numberOf = new Map(keys.map((key, index) => [key, index]))
  // An edge is one number whose digits, to the base of the number of vertices, are its ends: exact
  // up to 94 million vertices.
  const weightOf = new Map<number, number>()
  const add = (from: number, to: number, amount: number) => {
    const edge = from * keys.length + to
    weightOf.set(edge, (weightOf.get(edge) ?? 0) + amount)
  }
  graph.forEachEdge((_, attributes, source, target, __, ___, isUndirected) => {
    if (source === target) return
    const amount = weight === undefined ? 1 : amountOf(attributes[weight], source, target)
    const [from, to] = [numberOf.get(source)!, numberOf.get(target)!]
    add(from, to, amount)
    if (undirected || isUndirected) add(to, from, amount)
  })
  const edges = Float64Array.from(weightOf.keys()).sort()
  const starts = new Uint32Array(keys.length + 1)
  const targets = new Uint32Array(edges.length)
  const weights = new Float64Array(edges.length)
  edges.forEach((edge, index) => {
    starts[Math.floor(edge / keys.length) + 1]! += 1
    targets[index] = edge % keys.length
    weights[index] = weightOf.get(edge)!
  })
  for (let vertex = 0; vertex < keys.length; vertex += 1) starts[vertex + 1]! += starts[vertex]!
  return { keys, starts, targets, weights }
}

function amountOf(weight: unknown, source: string, target: string): number {
  if (weight === null || weight === undefined) return 1
  if (typeof weight === 'number' && Number.isFinite(weight)) return Math.max(0, weight)
  throw new InvalidInputError(
    'graph',
    `has an edge from ${preview(source)} to ${preview(target)} whose weight is not a finite number: ${preview(weight)}`,
  )
}
