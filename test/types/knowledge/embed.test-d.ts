import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import type { EmbeddingModelV2, EmbeddingModelV3, EmbeddingModelV4 } from '@ai-sdk/provider'
import { expectTypeOf } from 'vitest'
import { aiSdkEmbeddings, type AiSdkEmbeddingModel } from '../../../src/knowledge/embedding/aiSdkEmbeddings.ts'
import type { Embed } from '../../../src/knowledge/embedding/embed.ts'
import { openAiEmbeddings } from '../../../src/knowledge/embedding/openAiEmbeddings.ts'

// Every specification of the AI SDK's embedding models fits, and what a provider of it makes.
expectTypeOf<EmbeddingModelV2<string>>().toExtend<AiSdkEmbeddingModel>()
expectTypeOf<EmbeddingModelV3>().toExtend<AiSdkEmbeddingModel>()
expectTypeOf<EmbeddingModelV4>().toExtend<AiSdkEmbeddingModel>()
const made = createOpenAICompatible({ name: 'local', baseURL: 'http://localhost/v1' }).embeddingModel('m')
expectTypeOf(aiSdkEmbeddings(made)).toEqualTypeOf<Embed>()

expectTypeOf(openAiEmbeddings({ url: 'http://localhost/v1', model: 'm' })).toEqualTypeOf<Embed>()

// A plain function is one.
const plain: Embed = async (texts) => texts.map(() => [1])
expectTypeOf(plain(['a'])).resolves.toEqualTypeOf<number[][]>()
