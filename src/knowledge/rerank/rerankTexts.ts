import { VantageError } from '../../schema/errors.ts'
import type { EmbeddingCalls } from '../documents/embedder.ts'
import { insteadOfArray, kindOfValue, numbersIn } from '../embedding/numbersIn.ts'
import { patiently } from '../embedding/patiently.ts'
import { unlessAborted } from '../embedding/waiting.ts'
import type { Rerank } from './rerank.ts'

/** How a function that reranks is called. */
export type RerankCalls = Pick<EmbeddingCalls, 'attempts' | 'maxWaitMs' | 'onRetry'>

/** The code of errors after which reranking cannot continue. */
export const rerankingFailed = 'RERANKING_FAILED'

/**
 * For each text how well it answers the question, in the order of the texts.
 *
 * @throws VantageError (`RERANKING_FAILED`), with the reranker's error as `cause`, if it fails for
 * good or does not return a finite number for each text.
 */
export async function rerankTexts(
  rerank: Rerank,
  question: string,
  texts: readonly string[],
  {
    attempts,
    maxWaitMs,
    onRetry,
    signal = new AbortController().signal,
  }: { [Name in keyof RerankCalls]: RerankCalls[Name] | undefined } & { signal?: AbortSignal | undefined },
): Promise<readonly number[]> {
  signal.throwIfAborted()
  if (texts.length === 0) return []
  const outcome = await patiently(() => unlessAborted(() => rerank(question, [...texts], { signal }), signal), {
    provider: 'the reranker',
    code: rerankingFailed,
    attempts,
    maxWaitMs,
    signal,
    onFailed: ({ attempt, waitMs, error }) => onRetry?.({ attempt, waitMs, texts: texts.length, error }),
  })
  if ('answer' in outcome) return scoresIn(outcome.answer, texts.length)
  const { failure, error } = outcome
  throw failed(
    failure.kind === 'refused'
      ? `refuses the question or one of its ${texts.length} texts: ${failure.message}`
      : `failed on every attempt: ${failure.message}`,
    error,
  )
}

const failed = (message: string, cause?: unknown) => new VantageError(`the reranker ${message}`, { code: rerankingFailed, cause })

function scoresIn(answer: unknown, texts: number): readonly number[] {
  const scores = numbersIn(answer)
  if (scores === undefined) throw failed(insteadOfArray(answer, 'scores'))
  if (scores.length !== texts) throw failed(`gave ${scores.length} scores for ${texts} texts`)
  // As an array, since `findIndex` on it also visits holes.
  const at = [...scores].findIndex((score) => !Number.isFinite(score))
  if (at === -1) return scores
  const score: unknown = scores[at]
  throw failed(
    `gave text ${at + 1} of ${texts} a score that is ${typeof score === 'number' ? String(score) : kindOfValue(score)}, not a finite number`,
  )
}
