import { z } from 'zod'
import { parse } from '../schema/parse.ts'

/** More arrows than this nobody follows, and Graphviz takes minutes for some thousand. */
export const readableEdges = 200

const limits = z.union([z.int('must be a whole number').min(1, 'must be at least 1'), z.literal(Infinity)])

/**
 * At most `limit` edges, those with the highest rank first, of equal ones the busiest, then as
 * given; and a sentence on what was left out, if anything was. Those that stay keep their order.
 *
 * @throws InvalidInputError when the limit is no whole number of at least 1, or Infinity.
 */
export function mostTelling<Edge>(
  edges: readonly Edge[],
  { limit, rank, traffic, what }: { limit: number; rank: (edge: Edge) => number; traffic: (edge: Edge) => number; what: string },
): { edges: readonly Edge[]; omission: string | undefined } {
  parse(limits, limit, 'limit')
  if (edges.length <= limit) return { edges, omission: undefined }
  const order = edges
    .map((edge, index) => ({ index, rank: rank(edge), traffic: traffic(edge) }))
    .sort((a, b) => b.rank - a.rank || b.traffic - a.traffic || a.index - b.index)
  const kept = new Set(order.slice(0, limit).map(({ index }) => index))
  const count = new Intl.NumberFormat('en-GB')
  return {
    edges: edges.filter((_, index) => kept.has(index)),
    omission: `Drawn are ${count.format(limit)} of ${count.format(edges.length)} ${what}.`,
  }
}
