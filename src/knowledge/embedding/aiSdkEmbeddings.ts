import { counted } from './counted.ts'
import type { Embed } from './embed.ts'

/**
 * The part of an embedding model of the Vercel AI SDK that is used; specifications v2, v3 and v4
 * have it. The package itself is not needed.
 */
export interface AiSdkEmbeddingModel {
  readonly modelId: string
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean
  doEmbed(options: { values: string[]; abortSignal?: AbortSignal }): PromiseLike<{ embeddings: number[][] }>
}

/**
 * Makes an embedding function from a model of the Vercel AI SDK.
 *
 * It sends at most `maxEmbeddingsPerCall` texts per call, and makes one call at a time if the model
 * does not support parallel calls. It does not retry; `addDocuments` does.
 *
 * @throws The model's error, as a rejection of the returned function.
 * @example
 * import { openai } from '@ai-sdk/openai'
 *
 * const embed = aiSdkEmbeddings(openai.embeddingModel('text-embedding-3-small'))
 */
export function aiSdkEmbeddings(model: AiSdkEmbeddingModel): Embed {
  /** Resolves when the earlier calls have ended. */
  let turn: Promise<unknown> = Promise.resolve()

  const inTurn = async (call: () => Promise<number[][]>): Promise<number[][]> => {
    if (await model.supportsParallelCalls) return call()
    const mine = turn.then(call)
    turn = mine.catch(() => {})
    return mine
  }

  const embed = async (texts: string[], { signal }: { signal?: AbortSignal } = {}): Promise<number[][]> => {
    const most = Math.max(1, (await model.maxEmbeddingsPerCall) ?? Infinity)
    const found: number[][][] = []
    for (let at = 0; at < texts.length; at += most) {
      const values = texts.slice(at, at + most)
      const embeddings = await inTurn(async () => {
        signal?.throwIfAborted()
        return (await model.doEmbed({ values, abortSignal: signal })).embeddings
      })
      found.push(counted(embeddings, values.length))
    }
    return found.flat()
  }
  return Object.assign(embed, { model: model.modelId })
}
