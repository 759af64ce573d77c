import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { storableText } from '../../schema/text.ts'
import { embeddedText, embeddingCalls } from '../documents/embedder.ts'
import { mostChunks, searchFields, searchKnowledge, type FoundChunk, type SearchKnowledgeOptions } from '../search/searchKnowledge.ts'
import { rerankOption, type Rerank } from './rerank.ts'
import { rerankTexts, type RerankCalls } from './rerankTexts.ts'

export interface RerankKnowledgeOptions extends SearchKnowledgeOptions, RerankCalls {
  /** The question: its words are searched for, and `rerank` reads it with each text. */
  text: string
  /** Scores how well each text answers the question. */
  rerank: Rerank
  /**
   * How many of the best chunks of the search are reranked, from `limit` to 1,000. Default: 50, or
   * `limit` if that is more.
   */
  candidates?: number
  /** Stops before the search; while texts are reranked, at once. */
  signal?: AbortSignal
}

/** A chunk of a document, why it was found, and the reranker's score. */
export interface RerankedChunk extends FoundChunk {
  /** The score from `rerank`; higher is better. `score` is still that of the search. */
  rerank_score: number
}

/** How many chunks are reranked by default. */
export const usualCandidates = 50

const rerankKnowledgeOptions = (installation: Installation) =>
  z
    .strictObject({
      ...searchFields(installation),
      text: storableText,
      rerank: rerankOption,
      candidates: z.int().min(1).max(mostChunks).optional(),
      signal: z.instanceof(AbortSignal).optional(),
      attempts: embeddingCalls.attempts,
      maxWaitMs: embeddingCalls.maxWaitMs,
      onRetry: embeddingCalls.onRetry,
    })
    .refine(({ candidates, limit }) => candidates === undefined || candidates >= limit, {
      message: 'must be at least limit: what is not reranked is not in the answer',
      path: ['candidates'],
    })

/**
 * The chunks of knowledge that answer a question, in the order of a reranker: your function reads
 * each of the best results of a search together with the question.
 *
 * | | |
 * |---|---|
 * | search | {@link searchKnowledge} with the same options, for the best `candidates` |
 * | `rerank` | called once, with the question and all texts; a text is the context of a chunk, an empty line, and its content. Not called if the search finds nothing |
 * | order | `rerank_score` descending, then the order of the search |
 * | a busy reranker | called again, as `addDocuments` calls `embed` |
 * | a reranker that fails for good, or does not return a finite number for each text | an error; the order of the search is not used instead |
 *
 * It executes the search and so returns no query: narrow it with `where`. No connection is held
 * during the reranking, unless the scope was made from a transaction.
 *
 * @throws InvalidInputError if an option is invalid; names the field. The server refuses what
 * {@link searchKnowledge} says.
 * @throws VantageError (`RERANKING_FAILED`), with the reranker's error as `cause`. The signal's
 * reason if aborted.
 * @example
 * const text = 'payment provider times out'
 * const [embedding] = await embed([text])
 * const best = await rerankKnowledge(scope, { text, embedding, rerank, limit: 5 })
 * // [{ title: 'Payment provider is slow', rerank_score: 0.98, score: 0.71, ... }, ...]
 *
 * @see Nogueira, Cho: Passage Re-ranking with BERT, 2019
 */
export async function rerankKnowledge(scope: Scope, options: RerankKnowledgeOptions): Promise<RerankedChunk[]> {
  const given = parseOptions(rerankKnowledgeOptions(scope.installation), options)
  const { rerank, limit, candidates = Math.max(usualCandidates, limit), signal, attempts, maxWaitMs, onRetry, ...search } = given
  signal?.throwIfAborted()
  const found = await searchKnowledge(scope, { ...search, limit: candidates }).execute()
  const scores = await rerankTexts(rerank, search.text, found.map(embeddedText), { attempts, maxWaitMs, onRetry, signal })
  return found
    .map((chunk, at) => ({ ...chunk, rerank_score: scores[at]! }))
    .toSorted((a, b) => b.rerank_score - a.rerank_score)
    .slice(0, limit)
}
