import type { AbstractGraph } from 'graphology-types'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

/**
 * A graph as arrays, for algorithms: the vertices are numbers in the order of their keys, and those
 * that vertex `v` leads to are `targets[starts[v]]` until before `targets[starts[v + 1]]`,
 * ascending. What it looks like does not depend on the order in which the graph was built, so
 * neither does an answer.
 */
export interface Adjacency {
  /** By number, in the order of their code units. */
  keys: readonly string[]
  starts: Uint32Array
  targets: Uint32Array
  /** Beside `targets`. */
  weights: Float64Array
}

/**
 * The edges of a graph between different vertices, parallel ones as one whose weight is their sum;
 * an undirected edge leads both ways, and with `undirected` all do. An edge counts 1, or what its
 * attribute `weight` says: null or not there is 1, what is negative 0.
 *
 * @throws InvalidInputError when a weight is something else than a finite number.
 */
export function adjacencyOf(
  graph: AbstractGraph,
  { undirected = false, weight }: { undirected?: boolean; weight?: string } = {},
): Adjacency {
  const keys = graph.nodes().sort()
  const numberOf = new Map(keys.map((key, index) => [key, index]))
  // An edge is one number, its ends as digits to the base of the number of vertices: exact up to 94
  // million of them.
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
    `has an edge from ${preview(source)} to ${preview(target)} whose weight is no finite number: ${preview(weight)}`,
  )
}
