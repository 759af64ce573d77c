import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import { addDocuments, rerankKnowledge, searchKnowledge, type Rerank } from '../../../src/knowledge/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import { InvalidInputError, VantageError } from '../../../src/schema/errors.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

/** Prefers texts with a word, and is indifferent to others. */
const preferring =
  (word: string): Rerank =>
  async (_, texts) =>
    texts.map((text) => (text.includes(word) ? 1 : 0))

onEveryLeg('rerankKnowledge', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: 2, embeddingDistance: 'cosine' })
    scope = await tenant(test.db)
    await addDocuments(scope, [
      {
        source: 'wiki',
        title: 'Payments',
        chunks: [
          { content: 'payment payment payment', embedding: [1, 0] },
          { content: 'payment is slow', embedding: [1, 1] },
          { content: 'payment and the disk', context: 'Payments > Storage', embedding: [0, 1] },
          { content: 'nothing of it', embedding: [-1, 0] },
        ],
      },
      { source: 'runbooks', title: 'Disk', chunks: [{ content: 'payment disk is full', embedding: [0, -1] }] },
    ])
    const other = await tenant(test.db, 'other')
    await addDocuments(other, [{ source: 'wiki', title: 'Theirs', chunks: [{ content: 'payment disk', embedding: [1, 0] }] }])
  })
  afterAll(() => test.close())
  const contents = (rows: readonly { content: string }[]) => rows.map(({ content }) => content)

  it('gives the chunks of the search in the order of the scores, and of the search where these are equal', async () => {
    const found = await searchKnowledge(scope, { text: 'payment' }).execute()
    const rows = await rerankKnowledge(scope, { text: 'payment', rerank: preferring('disk') })
    const disk = found.filter(({ content }) => content.includes('disk'))
    const others = found.filter(({ content }) => !content.includes('disk'))
    expect(disk).toHaveLength(2)
    expect(rows).toEqual([
      ...disk.map((chunk) => ({ ...chunk, rerank_score: 1 })),
      ...others.map((chunk) => ({ ...chunk, rerank_score: 0 })),
    ])
    expect(await rerankKnowledge(scope, { text: 'payment', rerank: preferring('disk'), limit: 1 })).toEqual(rows.slice(0, 1))
  })

  it('hands the question and the texts of the best candidates to the reranker, once', async () => {
    const asked: unknown[] = []
    const rerank: Rerank = async (question, texts) => {
      asked.push([question, texts])
      return texts.map((_, at) => at)
    }
    const search = { text: 'payment disk', embedding: [0, 1], where: { source: 'wiki' } }
    const [first, second] = await searchKnowledge(scope, search).execute()
    const rows = await rerankKnowledge(scope, { ...search, rerank, candidates: 2, limit: 2 })
    expect(asked).toEqual([['payment disk', ['Payments > Storage\n\npayment and the disk', expect.stringContaining('payment')]]])
    expect(contents(rows)).toEqual([second!.content, first!.content])
    expect(rows.map((row) => row.rerank_score)).toEqual([1, 0])
  })

  it('reranks at least as many as it gives, and asks nobody where nothing is found', async () => {
    let texts = -1
    const counting: Rerank = async (_, all) => {
      texts = all.length
      return all.map(() => 0)
    }
    expect(await rerankKnowledge(scope, { text: 'payment', rerank: counting, limit: 3 })).toHaveLength(3)
    expect(texts).toBe(4)
    texts = -1
    expect(await rerankKnowledge(scope, { text: 'payment', rerank: counting, where: { source: 'nobody' } })).toEqual([])
    expect(texts).toBe(-1)
    await expect(rerankKnowledge(scope, { text: 'payment', rerank: counting, limit: 3, candidates: 2 })).rejects.toThrow(
      new InvalidInputError('candidates', 'must be at least limit: what is not reranked is not in the answer, got 2'),
    )
  })

  it('gives nothing where the reranker fails or misbehaves', async () => {
    const cause = Object.assign(new Error('no such model'), { status: 404 })
    const broken: Rerank = () => Promise.reject(cause)
    const error: unknown = await rerankKnowledge(scope, { text: 'payment', rerank: broken }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VantageError)
    expect(error).toMatchObject({ code: 'RERANKING_FAILED', cause })
    await expect(rerankKnowledge(scope, { text: 'payment', rerank: async () => [1] })).rejects.toMatchObject({
      code: 'RERANKING_FAILED',
      message: 'the reranker gave 1 scores for 4 texts',
    })
    // The search itself is refused as ever.
    await expect(rerankKnowledge(scope, { text: 'payment', embedding: [1], rerank: preferring('disk') })).rejects.toMatchObject({
      field: 'embedding',
    })
  })

  it('ends with the signal, before the search or while the reranker thinks', async () => {
    const reason = new Error('enough')
    await expect(rerankKnowledge(scope, { text: 'payment', rerank: preferring('disk'), signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const stop = new AbortController()
    const endless: Rerank = () => {
      stop.abort(reason)
      return new Promise<never>(() => {})
    }
    await expect(rerankKnowledge(scope, { text: 'payment', rerank: endless, signal: stop.signal })).rejects.toBe(reason)
  })
})
