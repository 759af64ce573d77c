import type { Adjacency } from './adjacency.ts'

/**
 * For each vertex the number of its strongly connected component. Edges lead from a higher number
 * to a lower one or stay within a component.
 *
 * Tarjan, Depth-First Search and Linear Graph Algorithms, SIAM Journal on Computing 1 (1972), with
 * an explicit stack: graphology recurses for every vertex of a path, and a chain of about ten
 * thousand calls overflows its stack.
 */
export function strongComponentsOf({ keys, starts, targets }: Adjacency): { componentOf: Uint32Array; count: number } {
  const order = keys.length
  const componentOf = new Uint32Array(order)
  /** When each vertex was met, from 1; 0 means not yet. */
  const met = new Uint32Array(order)
  /** The earliest undecided vertex that its subtree leads to. */
  const low = new Uint32Array(order)
  const undecided = new Uint8Array(order)
  const next = starts.slice(0, order)
  const path: number[] = []
  const waiting: number[] = []
  let [clock, count] = [0, 0]
  for (let root = 0; root < order; root += 1) {
    if (met[root] !== 0) continue
    path.push(root)
    while (path.length > 0) {
      const vertex = path.at(-1)!
      if (met[vertex] === 0) {
        clock += 1
        met[vertex] = clock
        low[vertex] = clock
        undecided[vertex] = 1
        waiting.push(vertex)
      }
      if (next[vertex]! < starts[vertex + 1]!) {
        const to = targets[next[vertex]!]!
        next[vertex]! += 1
        if (met[to] === 0) path.push(to)
        else if (undecided[to] === 1) low[vertex] = Math.min(low[vertex]!, met[to]!)
        continue
      }
      path.pop()
      const before = path.at(-1)
      if (before !== undefined) low[before] = Math.min(low[before]!, low[vertex]!)
      if (low[vertex] !== met[vertex]) continue
      for (let member = -1; member !== vertex;) {
        member = waiting.pop()!
        undecided[member] = 0
        componentOf[member] = count
      }
      count += 1
    }
  }
  return { componentOf, count }
}
