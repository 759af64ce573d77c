/**
 * Measures a ranking against a person's judgement, from 0 to 1; higher is better.
 *
 * | | |
 * |---|---|
 * | `ranking` | the items, best first; an item that occurs again counts at its first place |
 * | `relevance` | of each relevant item; 0 and below is not relevant |
 * | `places` | how many places count |
 * | null | no item is relevant, so there is nothing to find |
 *
 * Averaged over questions these are the figures of TREC's `trec_eval`, and so of BEIR.
 */
export type RankingMetric = (ranking: readonly string[], relevance: ReadonlyMap<string, number>, places: number) => number | null

/**
 * Normalised discounted cumulative gain: the sum of the relevances, each divided by log2(place +
 * 1), as a share of the same sum for the best order.
 *
 * Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002; the gain is the
 * relevance itself, not 2 to its power.
 */
export const ndcg: RankingMetric = (ranking, relevance, places) => {
  const ideal = discounted(
    [...relevance.values()]
      .filter((value) => value > 0)
      .toSorted((a, b) => b - a)
      .slice(0, places),
  )
  return ideal === 0 ? null : discounted(gains(ranking, relevance, places)) / ideal
}

/** The share of the relevant items that the ranking has. */
export const recall: RankingMetric = (ranking, relevance, places) => {
  const relevant = [...relevance.values()].filter((value) => value > 0).length
  return relevant === 0 ? null : gains(ranking, relevance, places).filter((gain) => gain > 0).length / relevant
}

/**
 * One divided by the place of the first relevant item; 0 if there is no relevant one. Its mean over
 * questions is the MRR.
 */
export const reciprocalRank: RankingMetric = (ranking, relevance, places) => {
  if ([...relevance.values()].every((value) => value <= 0)) return null
  const first = gains(ranking, relevance, places).findIndex((gain) => gain > 0)
  return first === -1 ? 0 : 1 / (first + 1)
}

/** The relevance at each place. */
const gains = (ranking: readonly string[], relevance: ReadonlyMap<string, number>, places: number) =>
  [...new Set(ranking)].slice(0, places).map((item) => Math.max(0, relevance.get(item) ?? 0))

const discounted = (relevances: readonly number[]) => relevances.reduce((sum, gain, index) => sum + gain / Math.log2(index + 2), 0)
