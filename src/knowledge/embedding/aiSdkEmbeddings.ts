import { counted } from './counted.ts'
import type { Embed } from './embed.ts'

/**
 * What is used of an embedding model of the Vercel AI SDK: of its specifications v2, v3 and v4. The
 * package itself is not needed.
 */
export interface AiSdkEmbeddingModel {
  readonly modelId: string
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean
  doEmbed(options: { values: string[]; abortSignal?: AbortSignal }): PromiseLike<{ embeddings: number[][] }>
}

/**
 * An embedding function of a model of the Vercel AI SDK.
 *
 * It asks for at most `maxEmbeddingsPerCall` texts at a time, and for one call after another where
 * the model does not support parallel ones. It does not try again; `addDocuments` does.
 *
 * @throws What the model throws, as a rejection of the function that is returned.
 * @example
 * import { openai } from '@ai-sdk/openai'
 *
 * const embed = aiSdkEmbeddings(openai.embeddingModel('text-embedding-3-small'))
 */
export function aiSdkEmbeddings(model: AiSdkEmbeddingModel): Embed {
  /** Resolves when the calls before are over. */
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
