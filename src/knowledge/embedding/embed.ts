/**
 * A function that returns the embeddings of texts, in the same order.
 *
 * Any function will do; `pgvantage/openai` and `pgvantage/ai-sdk` make one for a provider. It need
 * not retry: its caller does, and decides by the error that it throws.
 *
 * | the error has | meaning |
 * |---|---|
 * | `status` or `statusCode` 408, 425, 429, 502 to 504; a time-out; no connection | the provider is busy: tried again, after the time in `Retry-After` of `headers` or `responseHeaders` |
 * | 500 and other 5xx, a broken connection, anything unknown | tried again, then with fewer texts |
 * | 400, 413, 422 | a text is refused: the batch is divided to find it, and the others get their embeddings |
 * | 401, 403, 404 and other 4xx | the call cannot work: thrown |
 *
 * The error's `cause` is read in the same way.
 *
 * @example
 * const embed: Embed = Object.assign(async (texts: string[]) => model.encode(texts), { model: 'all-MiniLM-L6-v2' })
 */
export type Embed = ((texts: string[], options?: { signal?: AbortSignal }) => Promise<number[][]>) & {
  /** The name of its model, if known. */
  readonly model?: string
}

/** Why a text has no embedding. */
export class EmbeddingRefused {
  readonly reason: string
  /** The provider's error, if there was one. */
  readonly cause?: unknown

  constructor(reason: string, cause?: unknown) {
    this.reason = reason
    this.cause = cause
  }
}
