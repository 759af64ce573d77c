import { VantageError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { Embedder } from '../documents/embedder.ts'
import { embeddingFailed } from '../embedding/counted.ts'
import { EmbeddingRefused } from '../embedding/embed.ts'
import type { CheckedGoldenQuestion } from './golden.ts'

/**
 * The embeddings of questions, given or made; undefined if the questions have none and there is no
 * `embed`.
 *
 * @param before how many questions came before these.
 * @throws VantageError (`EMBEDDING_FAILED`) if one is refused: without it the mean would be over
 * other questions.
 */
export async function questionEmbeddings(
  questions: readonly CheckedGoldenQuestion[],
  { embedder, before }: { embedder: Embedder | undefined; before: number },
): Promise<(readonly number[] | undefined)[]> {
  const embeddings: (readonly number[] | undefined)[] = questions.map(({ embedding }) => embedding)
  const open = [...questions.keys()].filter((at) => embeddings[at] === undefined)
  if (embedder === undefined || open.length === 0) return embeddings
  const made = await embedder(open.map((at) => questions[at]!.question))
  for (const [place, at] of open.entries()) {
    const embedding = made[place]!
    if (embedding instanceof EmbeddingRefused)
      throw new VantageError(`golden[${before + at}].question: ${preview(questions[at]!.question)} has no embedding: ${embedding.reason}`, {
        code: embeddingFailed,
        cause: embedding.cause,
      })
    embeddings[at] = embedding
  }
  return embeddings
}
