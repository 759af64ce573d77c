import { ndcg, recall, reciprocalRank } from '../rankingMetrics.ts'
import { meanOf, type QualityMean } from './estimate.ts'
import type { CheckedGoldenDocument } from './golden.ts'
import type { RankedDocuments } from './rankedDocuments.ts'

/** The ways of searching that are measured. */
export const searchLegs = ['lexical', 'vector', 'hybrid'] as const
export type SearchLeg = (typeof searchLegs)[number]
/** The ways of searching, and `reranked`: the best results of a search in a reranker's order. */
export const qualityLegs = [...searchLegs, 'reranked'] as const
export type QualityLeg = (typeof qualityLegs)[number]

/** How well the first `limit` documents answer one question, 0..1, higher is better. */
export interface QuestionFigures {
  /** The share of the relevant documents that are among them. */
  recall: number
  /**
   * One divided by the rank of the first relevant document; 0 if there is no relevant one among
   * them.
   */
  reciprocalRank: number
  /** Normalised discounted cumulative gain: 1 for the best possible order. */
  ndcg: number
  /**
   * The rank of the first relevant document, from 1; null if there is no relevant one among them.
   */
  firstRelevant: number | null
  /**
   * Whether the result has fewer than `limit` documents although there may be more: all 1,000
   * chunks that a search returns at most, or all reranked `candidates`, belong to these documents.
   */
  cut: boolean
}

/** How well a way of searching answers, over all questions. */
export interface LegQuality {
  /** The share of the relevant documents that are among the first `limit`. */
  recall: QualityMean
  /** The mean reciprocal rank: one divided by the rank of the first relevant document. */
  mrr: QualityMean
  /** Normalised discounted cumulative gain. */
  ndcg: QualityMean
  /** For how many questions the result is cut, see {@link QuestionFigures.cut}. */
  cut: number
}

export function figuresOf({ documents, cut }: RankedDocuments, relevant: readonly CheckedGoldenDocument[], limit: number): QuestionFigures {
  const relevance = new Map(relevant.map(({ key, relevance }) => [key, relevance]))
  const first = documents.findIndex((key) => (relevance.get(key) ?? 0) > 0)
  return {
    // Every golden question has a relevant document, so no figure is null.
    recall: recall(documents, relevance, limit)!,
    reciprocalRank: reciprocalRank(documents, relevance, limit)!,
    ndcg: ndcg(documents, relevance, limit)!,
    firstRelevant: first === -1 ? null : first + 1,
    cut,
  }
}

export const qualityOf = (figures: readonly QuestionFigures[]): LegQuality => ({
  recall: meanOf(figures.map((each) => each.recall)),
  mrr: meanOf(figures.map((each) => each.reciprocalRank)),
  ndcg: meanOf(figures.map((each) => each.ndcg)),
  cut: figures.filter((each) => each.cut).length,
})
