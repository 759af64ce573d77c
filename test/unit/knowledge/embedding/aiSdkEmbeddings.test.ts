import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { describe, expect, it } from 'vitest'
import { aiSdkEmbeddings, type AiSdkEmbeddingModel } from '../../../../src/knowledge/embedding/aiSdkEmbeddings.ts'
import { EmbeddingRefused, type Embed } from '../../../../src/knowledge/embedding/embed.ts'
import { embedTexts } from '../../../../src/knowledge/embedding/embedTexts.ts'
import { answer, startProvider, vectorOf } from '../../../support/embedding/provider.ts'

const given = ['a', 'bb', 'ccc', 'dddd', 'eeeee']

const embedAll = (embed: Embed, more: { signal?: AbortSignal } = {}) =>
  embedTexts(embed, given, { dimension: 3, flaw: () => undefined, attempts: 2, maxWaitMs: 100, batchTexts: 2, ...more })

const modelOf = (url: string) => createOpenAICompatible({ name: 'local', baseURL: url, apiKey: 'key' }).embeddingModel('m')

/** A model that keeps what it was asked, and how many calls were out at a time. */
function model(more: Partial<AiSdkEmbeddingModel> = {}) {
  const asked: string[][] = []
  const out = { now: 0, most: 0 }
  const made: AiSdkEmbeddingModel = {
    modelId: 'm',
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
    async doEmbed({ values }) {
      asked.push(values)
      out.most = Math.max(out.most, (out.now += 1))
      await new Promise((resolve) => setTimeout(resolve, 2))
      out.now -= 1
      return { embeddings: values.map(vectorOf) }
    },
    ...more,
  }
  return { model: made, asked, out }
}

describe('aiSdkEmbeddings', () => {
  it('asks a model of the AI SDK, and knows its name', async () => {
    await using provider = await startProvider()
    const embed = aiSdkEmbeddings(modelOf(provider.url))
    expect(embed.model).toBe('m')
    expect(await embed(given)).toEqual(given.map(vectorOf))
    expect(provider.asked[0]).toMatchObject({ model: 'm', input: given })
  })

  it('is tried again when the SDK says that the provider is busy, as late as that asks', async () => {
    await using provider = await startProvider(
      ({ calls, response }) => calls === 1 && answer(response, 429, { error: { message: 'slow down' } }, { 'retry-after': '0.05' }),
    )
    const begin = performance.now()
    expect(await embedAll(aiSdkEmbeddings(modelOf(provider.url)))).toEqual(given.map(vectorOf))
    expect(performance.now() - begin).toBeGreaterThanOrEqual(49)
  })

  it('finds the text that the SDK says is refused', async () => {
    await using provider = await startProvider(
      ({ asked, response }) =>
        asked.input.includes('bb') && answer(response, 400, { error: { message: 'too long', type: 'invalid', code: 'x' } }),
    )
    const found = await embedAll(aiSdkEmbeddings(modelOf(provider.url)))
    expect(found[1]).toBeInstanceOf(EmbeddingRefused)
    expect(found.toSpliced(1, 1)).toEqual(given.toSpliced(1, 1).map(vectorOf))
  })

  it.each([
    [401, 'does not take the call'],
    [500, 'failed on every attempt'],
  ])('throws where the SDK says %d to all', async (status, message) => {
    await using provider = await startProvider(({ response }) => answer(response, status, { error: { message: 'no' } }))
    await expect(embedAll(aiSdkEmbeddings(modelOf(provider.url)))).rejects.toThrow(message)
  })

  it('is tried again after a connection that was cut', async () => {
    await using provider = await startProvider(({ calls, request }) => {
      if (calls === 1) request.socket.destroy()
      return calls === 1
    })
    expect(await embedAll(aiSdkEmbeddings(modelOf(provider.url)))).toEqual(given.map(vectorOf))
  })

  it('asks for no more texts at a time than the model takes', async () => {
    const { model: made, asked } = model({ maxEmbeddingsPerCall: Promise.resolve(2) })
    expect(await aiSdkEmbeddings(made)(given)).toEqual(given.map(vectorOf))
    expect(asked).toEqual([['a', 'bb'], ['ccc', 'dddd'], ['eeeee']])
  })

  it.each([
    [true, 3],
    [false, 1],
    [Promise.resolve(false), 1],
  ])('makes parallel calls only where the model supports them: %s', async (supportsParallelCalls, most) => {
    const { model: made, out } = model({ supportsParallelCalls })
    expect(await embedAll(aiSdkEmbeddings(made))).toEqual(given.map(vectorOf))
    expect(out.most).toBe(most)
  })

  it('goes on after a call that failed, where calls are made one after another', async () => {
    const { model: made } = model({ supportsParallelCalls: false })
    const embed = aiSdkEmbeddings({
      ...made,
      doEmbed: (options) => (options.values.includes('a') ? Promise.reject(new Error('no')) : made.doEmbed(options)),
    })
    const [first, second] = await Promise.allSettled([embed(['a']), embed(['b'])])
    expect([first, second]).toMatchObject([{ status: 'rejected' }, { status: 'fulfilled', value: [vectorOf('b')] }])
  })

  it('refuses fewer embeddings than texts', async () => {
    const { model: made } = model({ doEmbed: async () => ({ embeddings: [[1, 2, 3]] }) })
    await expect(aiSdkEmbeddings(made)(given)).rejects.toThrow('gave 1 embeddings for 5 texts')
  })

  it('does not call a model after an abort', async () => {
    const { model: made, asked } = model()
    await expect(aiSdkEmbeddings(made)(given, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(asked).toEqual([])
  })
})
