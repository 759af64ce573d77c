import { VantageError } from '../../schema/errors.ts'

/** The code of errors that say that embedding cannot go on. */
export const embeddingFailed = 'EMBEDDING_FAILED'

/**
 * The embeddings, where there are as many as texts; else nobody can tell which text one belongs to.
 *
 * @throws VantageError where there are more or fewer.
 */
export function counted<Embedding>(embeddings: Embedding[], texts: number): Embedding[] {
  if (embeddings.length === texts) return embeddings
  throw new VantageError(`the embedding function gave ${embeddings.length} embeddings for ${texts} texts`, { code: embeddingFailed })
}
