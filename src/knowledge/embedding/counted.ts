import { VantageError } from '../../schema/errors.ts'

/** The code of errors after which embedding cannot continue. */
export const embeddingFailed = 'EMBEDDING_FAILED'

/**
 * Returns the embeddings if there is one for each text; otherwise they cannot be assigned to texts.
 *
 * @throws VantageError if there are more or fewer.
 */
export function counted<Embedding>(embeddings: Embedding[], texts: number): Embedding[] {
  if (embeddings.length === texts) return embeddings
  throw new VantageError(`the embedding function gave ${embeddings.length} embeddings for ${texts} texts`, { code: embeddingFailed })
}
