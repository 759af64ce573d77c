import { expectTypeOf } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import {
  compareQuality,
  rerankKnowledge,
  retrievalQuality,
  type FoundChunk,
  type LegQuality,
  type QualityChange,
  type Rerank,
  type RerankedChunk,
  type RetrievalQuality,
} from '../../../src/knowledge/index.ts'

declare const scope: Scope
const rerank = async (_question: string, texts: string[]) => texts.map(() => 1)

// A plain function is one, whether it listens to the signal or not.
expectTypeOf(rerank).toExtend<Rerank>()

const best = await rerankKnowledge(scope, { text: 't', rerank })
expectTypeOf(best).toEqualTypeOf<RerankedChunk[]>()
expectTypeOf<RerankedChunk>().toExtend<FoundChunk>()
expectTypeOf(best[0]!.rerank_score).toEqualTypeOf<number>()

// @ts-expect-error a reranker reads a question in words
await rerankKnowledge(scope, { embedding: [1], rerank })

const relevant = [
  { source: 's', url: 'u' },
  { source: 's', title: 't', relevance: 2 },
] as const
const quality = await retrievalQuality(scope, { golden: [{ question: 'q', relevant }], rerank })
expectTypeOf(quality).toEqualTypeOf<RetrievalQuality>()
// What was not measured is null: a gate has to say what it takes that for.
expectTypeOf(quality.hybrid).toEqualTypeOf<LegQuality | null>()
expectTypeOf(quality.hybrid!.ndcg).toEqualTypeOf<{ mean: number; standardError: number | null }>()
expectTypeOf(compareQuality(quality, quality)).toEqualTypeOf<QualityChange>()

async function* questions() {
  yield { question: 'q', relevant }
}
await retrievalQuality(scope, { golden: questions() })
await retrievalQuality(scope, { golden: new Set([{ question: 'q', relevant }]) })

// @ts-expect-error chunks have other ids when a document was added again
await retrievalQuality(scope, { golden: [{ question: 'q', relevant: [{ chunk_id: '1' }] }] })
