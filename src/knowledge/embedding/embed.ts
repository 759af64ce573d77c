/**
 * A function that gives texts their embeddings, in the same order.
 *
 * Any function will do; `pgvantage/openai` and `pgvantage/ai-sdk` make one for a provider. It need
 * not retry: who calls it does, and reads from the errors it throws what to do.
 *
 * | error has | is |
 * |---|---|
 * | `status` or `statusCode` 408, 425, 429, 502 to 504; a time-out; no connection | a busy provider: tried again, after what `Retry-After` of `headers` or `responseHeaders` says |
 * | 500 and other 5xx, a connection that was cut, anything unknown | tried again, then with fewer texts |
 * | 400, 413, 422 | a refused text: searched for, so that the others get their embeddings |
 * | 401, 403, 404 and other 4xx | a call that cannot work: thrown |
 *
 * The same is read from the error's `cause`.
 *
 * @example
 * const embed: Embed = Object.assign(async (texts: string[]) => model.encode(texts), { model: 'all-MiniLM-L6-v2' })
 */
export type Embed = ((texts: string[], options?: { signal?: AbortSignal }) => Promise<number[][]>) & {
  /** The name of its model, where it knows it. */
  readonly model?: string
}

/** Why a text has no embedding. */
export class EmbeddingRefused {
  readonly reason: string
  /** The provider's error, where there was one. */
  readonly cause?: unknown

  constructor(reason: string, cause?: unknown) {
    this.reason = reason
    this.cause = cause
  }
}
