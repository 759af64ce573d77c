import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import {
  addDocuments,
  compareQuality,
  removeDocuments,
  retrievalQuality,
  type DocumentInput,
  type Embed,
  type GoldenQuestion,
  type RetrievalQualityOptions,
} from '../../../src/knowledge/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import { freshDatabase, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const page = (name: string, ...chunks: [content: string, embedding?: readonly number[]][]): DocumentInput => ({
  source: 'wiki',
  title: name,
  url: `https://wiki/${name}`,
  chunks: chunks.map(([content, embedding]) => ({ content, context: '', ...(embedding && { embedding }) })),
})
const relevant = (...names: string[]) => names.map((name) => ({ source: 'wiki', url: `https://wiki/${name}` }))

/** What the words of these texts point at. */
const directions: Record<string, readonly number[]> = { disk: [1, 0], payment: [0, 1] }
function embedder(more: { model?: string } = {}) {
  const asked: string[] = []
  const embed: Embed = Object.assign(async (texts: string[]) => {
    asked.push(...texts)
    return texts.map((text) => [...(directions[text.split(' ')[0]!] ?? [-1, -1])])
  }, more)
  return { embed, asked }
}

onEveryLeg('retrievalQuality', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: 2, embeddingDistance: 'cosine' })
  })
  afterAll(() => test.close())
  const knows = async (...documents: DocumentInput[]) => {
    scope = await tenant(test.db, `t-${made++}`)
    await addDocuments(scope, documents)
  }
  const measure = (golden: RetrievalQualityOptions['golden'], options: Omit<RetrievalQualityOptions, 'golden'> = {}) =>
    retrievalQuality(scope, { golden, ...options })

  describe('by words', () => {
    beforeAll(() =>
      knows(
        page('payment', ['payment payment']),
        page('slow', ['payment is slow and has other words beside it'], ['nothing of it']),
        page('disk', ['disk full']),
        { source: 'notes', title: 'night', chunks: [{ content: 'who is awake at night' }] },
      ),
    )

    it('has figures that a person can check by eye', async () => {
      const quality = await measure([
        { question: 'disk', relevant: relevant('disk') },
        // The second of two.
        { question: 'payment', relevant: relevant('slow') },
        { question: 'awake', relevant: [{ source: 'notes', title: 'night' }, ...relevant('disk')] },
        { question: 'unheard', relevant: relevant('disk') },
      ])
      expect(quality).toMatchObject({ limit: 10, vector: null, hybrid: null, reranked: null, missing: [] })
      const log3 = Math.log2(3)
      expect(quality.questions.map(({ question, lexical }) => [question, lexical])).toEqual([
        ['disk', { recall: 1, reciprocalRank: 1, ndcg: 1, firstRelevant: 1, cut: false }],
        ['payment', { recall: 1, reciprocalRank: 0.5, ndcg: 1 / log3, firstRelevant: 2, cut: false }],
        ['awake', { recall: 0.5, reciprocalRank: 1, ndcg: 1 / (1 + 1 / log3), firstRelevant: 1, cut: false }],
        ['unheard', { recall: 0, reciprocalRank: 0, ndcg: 0, firstRelevant: null, cut: false }],
      ])
      const { recall, mrr, ndcg, cut } = quality.lexical!
      expect(cut).toBe(0)
      expect(recall.mean).toBeCloseTo(2.5 / 4, 12)
      expect(mrr.mean).toBeCloseTo(2.5 / 4, 12)
      expect(ndcg.mean).toBeCloseTo((1 + 1 / log3 + 1 / (1 + 1 / log3)) / 4, 12)
      // Of 1, 1, .5 and 0, and of 1, .5, 1 and 0.
      expect(recall.standardError).toBeCloseTo(Math.sqrt(0.6875 / 3 / 4), 12)
      expect(mrr.standardError).toBeCloseTo(recall.standardError!, 12)
    })

    it('looks at the first `limit` documents, and at how much each is relevant', async () => {
      const golden: GoldenQuestion[] = [
        {
          question: 'payment',
          relevant: [...relevant('slow'), { source: 'wiki', url: 'https://wiki/payment', relevance: 0 }],
        },
      ]
      const [one, two] = [await measure(golden, { limit: 1 }), await measure(golden, { limit: 2 })]
      expect(one.questions[0]!.lexical).toMatchObject({ recall: 0, firstRelevant: null, cut: false })
      expect(two.questions[0]!.lexical).toMatchObject({ recall: 1, firstRelevant: 2 })
      expect(one.lexical!.ndcg).toEqual({ mean: 0, standardError: null })
      const graded = await measure([
        {
          question: 'payment',
          relevant: [
            { ...relevant('slow')[0]!, relevance: 3 },
            { ...relevant('payment')[0]!, relevance: 1 },
          ],
        },
      ])
      expect(graded.lexical!.ndcg.mean).toBeCloseTo((1 + 3 / Math.log2(3)) / (3 + 1 / Math.log2(3)), 12)
    })

    it('names the relevant documents that the tenant does not have, and counts them as not found', async () => {
      const other = await tenant(test.db, 'other')
      await addDocuments(other, [page('theirs', ['disk full'])])
      const quality = await measure([
        { question: 'disk', relevant: [...relevant('disk', 'theirs'), { source: 'notes', title: 'gone', relevance: 0 }] },
        // A title is that of a document without a URL.
        { question: 'payment', relevant: [...relevant('payment'), { source: 'wiki', title: 'payment' }] },
        { question: 'disk full', relevant: relevant('theirs') },
      ])
      const [theirs, untitled] = [
        { source: 'wiki', title: null, url: 'https://wiki/theirs' },
        { source: 'wiki', title: 'payment', url: null },
      ]
      expect(quality.missing).toEqual([theirs, untitled])
      expect(quality.questions.map(({ missing }) => missing)).toEqual([[theirs], [untitled], [theirs]])
      expect(quality.questions.map(({ lexical }) => lexical!.recall)).toEqual([0.5, 0.5, 0])
    })

    it('knows a document again that was added again, or has another title', async () => {
      await knows(page('one', ['disk full']), page('two', ['disk']))
      const golden = [{ question: 'disk full', relevant: relevant('one') }]
      const before = await measure(golden)
      await removeDocuments(scope, { source: 'wiki' })
      const between = await measure(golden)
      await addDocuments(scope, [{ ...page('one', ['something else'], ['disk full']), title: 'Another' }])
      const after = await measure(golden)
      expect([before, between, after].map(({ lexical, missing }) => [lexical!.recall.mean, missing.length])).toEqual([
        [1, 0],
        [0, 1],
        [1, 0],
      ])
      expect(compareQuality(before, between).lexical).toMatchObject({ ndcg: { difference: -1, better: 0, worse: 1 }, worse: ['disk full'] })
    })

    it('takes options of searches, and questions that come one by one', async () => {
      await knows(page('one', ['disk full']), { source: 'notes', title: 'two', chunks: [{ content: 'disk full full' }] })
      async function* golden() {
        yield { question: 'disk', relevant: relevant('one') }
        yield { question: 'full', relevant: [{ source: 'notes', title: 'two' }] }
      }
      const told: unknown[] = []
      const quality = await measure(golden(), {
        where: { source: 'notes' },
        diversity: 0.1,
        feedback: {},
        onProgress: (at) => told.push(at),
      })
      expect(quality.questions.map(({ lexical }) => lexical!.recall)).toEqual([0, 1])
      // It is there, only not where it is searched.
      expect(quality.missing).toEqual([])
      expect(told).toEqual([
        { done: 1, questions: null },
        { done: 2, questions: null },
      ])
    })
  })

  describe('documents of many chunks', () => {
    const many = (name: string, count: number) => page(name, ...Array.from({ length: count }, (_, at): [string] => [`disk ${name} ${at}`]))

    it('are counted once, and hide none that stands below their chunks', async () => {
      await knows(many('disk', 150), page('below', ['a disk that is named once in a text of very many other words, and so stands last']))
      const quality = await measure([{ question: 'disk', relevant: relevant('below') }])
      expect(quality.questions[0]!.lexical).toEqual({
        recall: 1,
        reciprocalRank: 0.5,
        ndcg: 1 / Math.log2(3),
        firstRelevant: 2,
        cut: false,
      })
    })

    it('are told where they are all that a search can give', async () => {
      await knows(many('disk', 1000), page('below', ['a disk that is named once in a text of very many other words, and so stands last']))
      const golden = [{ question: 'disk', relevant: relevant('below') }]
      const quality = await measure(golden)
      expect(quality.questions[0]!.lexical).toMatchObject({ firstRelevant: null, cut: true })
      expect(quality.lexical!.cut).toBe(1)
      const one = await measure(golden, { limit: 1 })
      expect(one.lexical!.cut).toBe(0)
    })
  })

  describe('by embedding', () => {
    beforeAll(() =>
      knows(
        page('disk', ['space runs out', [1, 0.1]]),
        page('payment', ['money does not move', [0.1, 1]]),
        page('words', ['disk disk', [-1, 0]]),
      ),
    )
    const golden: GoldenQuestion[] = [
      { question: 'disk', relevant: relevant('disk') },
      { question: 'payment', relevant: relevant('payment') },
    ]

    it('measures each way of searching with questions that it embeds', async () => {
      const { embed, asked } = embedder()
      const quality = await measure(golden, { embed, limit: 2 })
      expect(asked).toEqual(['disk', 'payment'])
      expect(quality.questions.map(({ lexical, vector, hybrid }) => [lexical, vector, hybrid].map((leg) => leg!.firstRelevant))).toEqual([
        [null, 1, 2],
        [null, 1, 1],
      ])
      expect(quality.vector).toEqual({
        recall: { mean: 1, standardError: 0 },
        mrr: { mean: 1, standardError: 0 },
        ndcg: { mean: 1, standardError: 0 },
        cut: 0,
      })
      const other = await measure(golden, { embed, limit: 2, fusion: { embeddingWeight: 0.9 } })
      expect(compareQuality(quality, other)).toMatchObject({
        lexical: { mrr: { difference: 0 } },
        hybrid: { mrr: { difference: 0.25, better: 1, worse: 0 } },
        reranked: null,
      })
    })

    it('measures what is asked for, and embeds nothing for words alone', async () => {
      const { embed, asked } = embedder()
      const quality = await measure(golden, { embed, legs: ['vector'] })
      expect(quality).toMatchObject({ lexical: null, hybrid: null, vector: { mrr: { mean: 1 } } })
      expect(asked).toHaveLength(2)
      expect((await measure(golden, { embed, legs: ['lexical'] })).vector).toBeNull()
      expect(asked).toHaveLength(2)
    })

    it('takes embeddings that are brought along, and embeds the rest', async () => {
      const brought = golden.map((question, at) => ({ ...question, embedding: at === 0 ? [1, 0] : [0, 1] }))
      expect((await measure(brought)).vector!.mrr.mean).toBe(1)
      const { embed, asked } = embedder()
      expect((await measure([golden[0]!, brought[1]!], { embed })).vector!.mrr.mean).toBe(1)
      expect(asked).toEqual(['disk'])
    })

    it('measures the best of a search in the order of a reranker', async () => {
      const { embed } = embedder()
      const rerank = async (question: string, texts: string[]) =>
        texts.map((text) => (text.includes(question === 'disk' ? 'space' : 'money') ? 1 : 0))
      const quality = await measure(golden, { embed, rerank, legs: ['hybrid'] })
      expect(quality).toMatchObject({ lexical: null, vector: null })
      expect([quality.hybrid!.mrr.mean, quality.reranked!.mrr.mean]).toEqual([0.75, 1])
      expect(quality.reranked!.cut).toBe(0)
      const one = await measure(golden, { embed, rerank, candidates: 1 })
      expect(one.questions.map(({ reranked }) => [reranked!.firstRelevant, reranked!.cut])).toEqual([
        [null, true],
        [1, true],
      ])
      // By words alone it is those that are reranked.
      expect((await measure(golden, { rerank })).reranked!.mrr.mean).toBe(0)
    })

    it('refuses another model than that of the chunks', async () => {
      await knows()
      await addDocuments(scope, [page('disk', ['space', [1, 0]])], { model: 'one' })
      await expect(measure(golden, { embed: embedder({ model: 'two' }).embed })).rejects.toThrow(/embedded by the model "one".*by "two"/)
      await expect(measure(golden.slice(0, 1), { embed: embedder({ model: 'one' }).embed })).resolves.toMatchObject({
        vector: { recall: { mean: 1 } },
      })
    })

    it('leaves out no question that has no embedding', async () => {
      const cause = Object.assign(new Error('will not read this'), { status: 400 })
      const { embed } = embedder()
      const refusing: Embed = async (texts) => {
        if (texts.includes('payment')) throw cause
        return embed(texts)
      }
      await expect(measure(golden, { embed: refusing })).rejects.toMatchObject({
        code: 'EMBEDDING_FAILED',
        message: 'golden[1].question: "payment" has no embedding: status 400: will not read this',
        cause,
      })
      const rerank = () => Promise.reject(Object.assign(new Error('no'), { status: 401 }))
      await expect(measure(golden, { embed, rerank })).rejects.toMatchObject({ code: 'RERANKING_FAILED' })
    })
  })

  describe('refuses, by name,', () => {
    const [question] = [{ question: 'disk', relevant: relevant('disk') }]
    const twice = [question, { question: 'other', relevant: relevant('disk') }, question]
    it.each<[string, unknown, string, object?]>([
      ['what is no questions', 'disk', 'golden'],
      ['nothing', undefined, 'golden'],
      ['no question', [], 'golden'],
      ['a question that is asked twice', twice, 'golden[2].question'],
      ['that also of what comes one by one', new Set(twice.map((each) => ({ ...each }))), 'golden[2].question'],
      ['an empty question', [{ question: ' ', relevant: relevant('disk') }], 'golden[0].question'],
      ['one with nothing that is relevant', [question, { question: 'other', relevant: [] }], 'golden[1].relevant'],
      [
        'one with nothing that is relevant at all',
        [{ question: 'q', relevant: [{ ...relevant('a')[0], relevance: 0 }] }],
        'golden[0].relevant',
      ],
      ['a document that is named twice', [{ question: 'q', relevant: relevant('a', 'a') }], 'golden[0].relevant'],
      ['a document that has no name', [{ question: 'q', relevant: [{ source: 's' }] }], 'golden[0].relevant[0].url'],
      ['a relevance below 0', [{ question: 'q', relevant: [{ ...relevant('a')[0], relevance: -1 }] }], 'golden[0].relevant[0].relevance'],
      ['a chunk', [{ question: 'q', relevant: [{ chunk_id: '1' }] }], 'golden[0].relevant[0].source'],
      ['an embedding of another dimension', [{ ...question, embedding: [1] }], 'golden[0].embedding'],
      ['an embedding of some', [question, { ...question, question: 'other', embedding: [1, 0] }], 'golden[1].embedding'],
      [
        'no embedding of some',
        [
          { ...question, embedding: [1, 0] },
          { ...question, question: 'other' },
        ],
        'golden[1].embedding',
      ],
      ['no embedding where one is needed', [question], 'golden[0].embedding', { legs: ['hybrid'] }],
      ['a leg that there is not', [question], 'legs[0]', { legs: ['reranked'] }],
      ['a leg twice', [question], 'legs', { legs: ['lexical', 'lexical'] }],
      ['candidates of nobody', [question], 'candidates', { candidates: 5 }],
    ])('%s', async (_, golden, field, options = {}) => {
      await knows()
      await expect(measure(golden as never, options)).rejects.toMatchObject({ code: 'INVALID_INPUT', field })
    })
  })

  it('ends with the signal, also while it waits for the next question', async () => {
    await knows(page('disk', ['disk']))
    const reason = new Error('enough')
    await expect(measure([{ question: 'disk', relevant: relevant('disk') }], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    async function* golden() {
      yield { question: 'disk', relevant: relevant('disk') }
      stop.abort(reason)
      await new Promise<never>(() => {})
    }
    await expect(measure(golden(), { signal: stop.signal })).rejects.toBe(reason)
    const between = new AbortController()
    let done = 0
    const all = ['one', 'two', 'three'].map((question) => ({ question, relevant: relevant('disk') }))
    const onProgress = (progress: { done: number }) => {
      done = progress.done
      if (done === 2) between.abort(reason)
    }
    await expect(measure(all, { signal: between.signal, onProgress })).rejects.toBe(reason)
    expect(done).toBe(2)
  })
})
