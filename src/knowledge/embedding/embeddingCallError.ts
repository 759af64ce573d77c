import { VantageError } from '../../schema/errors.ts'

/** A failed call to a provider of embeddings, with what the retry is decided by. */
export class EmbeddingCallError extends VantageError {
  /** The HTTP status of the answer; undefined if there was no answer. */
  readonly status: number | undefined
  readonly headers: Headers | undefined
  /** The provider's own error code. */
  readonly providerCode: string | undefined

  constructor(message: string, options: { status?: number; headers?: Headers; providerCode?: string; cause?: unknown } = {}) {
    super(message, { code: 'EMBEDDING_CALL', cause: options.cause })
    this.status = options.status
    this.headers = options.headers
    this.providerCode = options.providerCode
  }
}
