import { expectTypeOf } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { topK } from '../../../src/ranking/topK.ts'

declare const scope: Scope

const found = searchKnowledge(scope, { embedding: [1] })
const [row] = await found.execute()
expectTypeOf(row!.item).toEqualTypeOf<string>()
expectTypeOf(row!.score).toEqualTypeOf<number>()
expectTypeOf(row!.chunk_id).toEqualTypeOf<string>()
expectTypeOf(row!.chunk_idx).toEqualTypeOf<number>()
expectTypeOf(row!.url).toEqualTypeOf<string | null>()

const [best] = await topK(scope, found, 1).execute()
expectTypeOf(best!.content).toEqualTypeOf<string>()

// @ts-expect-error the tables behind it are out of reach
found.where('chunk.tenant_id', '=', '2')
