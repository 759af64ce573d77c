import type { GivenEdge } from './frame.ts'

/** What the walks promise, written as simply as it can be: for graphs of a handful of vertices, whose order is that of their ids. */
export interface Model {
  vertices: readonly string[]
  edges: readonly GivenEdge[]
}

export type Direction = 'out' | 'in' | 'both'

/** The graph with its edges as a walk in that direction takes them. */
export const turned = ({ vertices, edges }: Model, direction: Direction): Model => {
  const back = edges.map(([src, dst, weight = null]) => [dst, src, weight] as const)
  return { vertices, edges: { out: edges, in: back, both: [...edges, ...back] }[direction] }
}

/** What is reached, with its depth and the first vertex it was met from. */
export function reached({ vertices, edges }: Model, starts: readonly string[], hops: number) {
  const depths = new Map(starts.map((start) => [start, 0]))
  const found: { urn: string; depth: number; via: string }[] = []
  for (let depth = 1; depth <= hops; depth++) {
    for (const dst of vertices.filter((vertex) => !depths.has(vertex))) {
      const via = vertices.find((src) => depths.get(src) === depth - 1 && edges.some(([from, to]) => from === src && to === dst))
      if (via !== undefined) found.push({ urn: dst, depth, via })
    }
    for (const { urn, depth: met } of found) if (met === depth) depths.set(urn, depth)
  }
  return found.toSorted((one, other) => one.depth - other.depth || (one.urn < other.urn ? -1 : 1))
}

export interface SimplePath {
  urns: string[]
  /** What each step costs from the beginning. */
  costs: number[]
}

/** Every path that visits no vertex twice, best first: by cost, edges, then vertices. */
export function simplePaths({ vertices, edges }: Model, from: string, to: string, length: 'hops' | 'weight'): SimplePath[] {
  const number = (urn: string) => vertices.indexOf(urn)
  const lengthOf = (src: string, dst: string) =>
    Math.min(
      ...edges
        .filter(([one, other]) => one === src && other === dst)
        .map(([, , weight = null]) => (length === 'hops' ? 1 : weight === null || Number.isNaN(weight) ? Infinity : weight)),
    )
  const paths: SimplePath[] = []
  const walk = (path: SimplePath) => {
    const last = path.urns.at(-1)!
    if (last === to) {
      paths.push(path)
      return
    }
    for (const next of vertices) {
      const cost = lengthOf(last, next)
      if (cost < Infinity && !path.urns.includes(next))
        walk({ urns: [...path.urns, next], costs: [...path.costs, path.costs.at(-1)! + cost] })
    }
  }
  walk({ urns: [from], costs: [0] })
  return paths.toSorted(
    (one, other) =>
      one.costs.at(-1)! - other.costs.at(-1)! ||
      one.urns.length - other.urns.length ||
      one.urns.map((urn, step) => number(urn) - number(other.urns[step]!)).find((difference) => difference !== 0) ||
      0,
  )
}

/** The groups that lead to each other, with one shortest cycle each: the largest first, then by name. */
export function components(model: Model): { members: string[]; cycle: string[] }[] {
  const { vertices, edges } = model
  const leads = (src: string, dst: string) =>
    edges.some(([from, to]) => from === src && (to === dst || reached(model, [to], vertices.length).some(({ urn }) => urn === dst)))
  const looped = vertices.filter((vertex) => leads(vertex, vertex))
  const groups = new Map(
    looped.map((vertex) => [
      looped.filter((other) => other === vertex || (leads(vertex, other) && leads(other, vertex))).join(' '),
      vertex,
    ]),
  )
  return [...groups.keys()]
    .map((names) => {
      const group = names.split(' ')
      const within = { vertices: group, edges: edges.filter(([src, dst]) => group.includes(src) && group.includes(dst)) }
      const cycles = group.flatMap((start) =>
        within.edges
          .filter(([, dst]) => dst === start)
          .flatMap(([last]) => simplePaths(within, start, last, 'hops'))
          .map(({ urns }) => urns),
      )
      const first = cycles.toSorted(
        (one, other) =>
          one.length - other.length ||
          one.map((urn, step) => vertices.indexOf(urn) - vertices.indexOf(other[step]!)).find((difference) => difference !== 0) ||
          0,
      )[0]!
      return { members: group.toSorted(), cycle: first }
    })
    .toSorted((one, other) => other.members.length - one.members.length || (one.members.join(' ') < other.members.join(' ') ? -1 : 1))
}
