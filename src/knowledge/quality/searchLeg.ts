import type { Scope } from '../../database/scope.ts'
import type { Rerank } from '../rerank/rerank.ts'
import { rerankKnowledge, usualCandidates } from '../rerank/rerankKnowledge.ts'
import type { RerankCalls } from '../rerank/rerankTexts.ts'
import { mostChunks, searchKnowledge, type SearchKnowledgeOptions } from '../search/searchKnowledge.ts'
import type { QualityLeg } from './figures.ts'
import { rankedDocuments, type RankedDocuments } from './rankedDocuments.ts'

/**
 * Both rankings of a hybrid search have at least this many chunks, so a smaller limit gives the
 * same.
 */
const firstChunks = 100

/** The first `limit` documents that one way of searching finds. */
export function searchLeg(
  scope: Scope,
  leg: QualityLeg,
  { question, embedding, model, limit, search, rerank, candidates = Math.max(usualCandidates, limit), calls }: LegSearch,
): Promise<RankedDocuments> {
  const options = {
    ...search,
    ...(leg !== 'vector' && { text: question }),
    ...(leg !== 'lexical' && embedding !== undefined && { embedding, ...(model !== undefined && { model }) }),
  }
  if (leg === 'reranked') {
    return rankedDocuments(
      (chunks) => rerankKnowledge(scope, { ...options, ...calls, text: question, rerank: rerank!, candidates: chunks, limit: chunks }),
      { documents: limit, sizes: [candidates] },
    )
  }
  return rankedDocuments(
    (chunks) =>
      searchKnowledge(scope, { ...options, limit: chunks })
        .clearSelect()
        .select(['doc_id', 'source', 'title', 'url'])
        .execute(),
    { documents: limit, sizes: [...new Set([Math.max(firstChunks, limit), mostChunks])] },
  )
}

interface LegSearch {
  question: string
  embedding: readonly number[] | undefined
  /** The model of the embedding. */
  model: string | undefined
  /** How many documents. */
  limit: number
  search: Pick<SearchKnowledgeOptions, 'where' | 'fusion' | 'feedback' | 'diversity'>
  rerank: Rerank | undefined
  candidates: number | undefined
  calls: RerankCalls & { signal?: AbortSignal }
}
