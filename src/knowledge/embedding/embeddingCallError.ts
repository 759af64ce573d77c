import { VantageError } from '../../schema/errors.ts'

/** A call to a provider of embeddings that failed, with what tells why. */
export class EmbeddingCallError extends VantageError {
  /** The status of the answer; undefined where none came. */
  readonly status: number | undefined
  readonly headers: Headers | undefined
  /** The provider's own code of the error. */
  readonly providerCode: string | undefined

  constructor(message: string, options: { status?: number; headers?: Headers; providerCode?: string; cause?: unknown } = {}) {
    super(message, { code: 'EMBEDDING_CALL', cause: options.cause })
    this.status = options.status
    this.headers = options.headers
    this.providerCode = options.providerCode
  }
}
