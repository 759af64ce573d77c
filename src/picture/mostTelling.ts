/**
 * At most `limit` edges, and a sentence about what was left out, if anything was. Edges are chosen
 * by the highest rank, then the busiest, then as given. The chosen edges keep their order.
 */
export function mostTelling<Edge>(
  edges: readonly Edge[],
  { limit, rank, traffic, what }: { limit: number; rank: (edge: Edge) => number; traffic: (edge: Edge) => number; what: string },
): { edges: readonly Edge[]; omission: string | undefined } {
  if (edges.length <= limit) return { edges, omission: undefined }
  const order = edges
    .map((edge, index) => ({ index, rank: rank(edge), traffic: traffic(edge) }))
    .sort((a, b) => b.rank - a.rank || b.traffic - a.traffic || a.index - b.index)
  const kept = new Set(order.slice(0, limit).map(({ index }) => index))
  const count = new Intl.NumberFormat('en-GB')
  return {
    edges: edges.filter((_, index) => kept.has(index)),
    omission: `Shows ${count.format(limit)} of ${count.format(edges.length)} ${what}.`,
  }
}
