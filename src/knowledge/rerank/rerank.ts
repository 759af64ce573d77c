import { z } from 'zod'

/**
 * A function that scores how well each text answers a question: a finite number for each, in the
 * order of the texts, higher is better. A cross-encoder reads question and text together, so its
 * score says more than the distance of two embeddings.
 *
 * Any function will do. It need not retry: its caller does, and decides by the error that it
 * throws, as with {@link Embed}. It gets all texts in one call, since the scores of two calls are
 * comparable only if the model scores each text independently of the others.
 *
 * @example
 * // text-embeddings-inference; Cohere's and Jina's `/rerank` are alike
 * const rerank: Rerank = async (query, texts, { signal } = {}) => {
 *   const response = await fetch('http://localhost:8080/rerank', {
 *     method: 'POST',
 *     headers: { 'content-type': 'application/json' },
 *     body: JSON.stringify({ query, texts, truncate: true }),
 *     signal,
 *   })
 *   if (!response.ok) throw Object.assign(new Error(await response.text()), { status: response.status, headers: response.headers })
 *   const ranks = (await response.json()) as { index: number; score: number }[]
 *   return ranks.sort((a, b) => a.index - b.index).map(({ score }) => score)
 * }
 */
export type Rerank = (question: string, texts: string[], options?: { signal?: AbortSignal }) => Promise<number[]>

export const rerankOption = z.custom<Rerank>((value) => typeof value === 'function', 'must be a function that gives texts their scores')
