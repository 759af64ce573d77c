import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { addDocuments, type ChunkedDocument, type DocumentInput } from '../../../src/knowledge/index.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { buildVectorIndex } from '../../../src/knowledge/vectorIndex/buildVectorIndex.ts'
import { reembed } from '../../../src/knowledge/documents/reembed.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

/** A database whose embeddings have few dimensions, so that a person can see the distances. */
async function small(embeddingDimension: number, embeddingDistance: 'l2' | 'cosine' | 'ip', options = {}): Promise<TestDatabase> {
  const test = await freshDatabase({ migrated: false })
  await migrateUp(test.db, { embeddingDimension, embeddingDistance, ...options })
  return test
}

const runbook = (url: string, embeddings: number[][], more: Partial<ChunkedDocument> = {}): ChunkedDocument => ({
  source: 'runbooks',
  title: `about ${url}`,
  url,
  chunks: embeddings.map((embedding, at) => ({ content: `${url}#${at}`, embedding })),
  ...more,
})

apartFromTime('knowledge', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await small(2, 'l2')
  })
  afterAll(() => test.close())
  const another = async () => (scope = await tenant(test.db, `t-${made++}`))

  const found = async (embedding: number[], options = {}) =>
    (await searchKnowledge(scope, { embedding, ...options }).execute()).map(({ content }) => content)
  const added = async (documents: DocumentInput[]) => (await addDocuments(scope, documents)).documents.map(({ doc_id }) => doc_id)
  const stored = async () =>
    (
      await sql<{ doc: string; chunk_id: string; chunk_idx: number; content: string; embedding: string; xmin: string }>`
        select doc.title as doc, chunk.chunk_id, chunk_idx, content, embedding::text, chunk.xmin::text
        from ${scope.id('kb_chunk')} as chunk join ${scope.id('kb_doc')} as doc using (doc_id)
        where chunk.tenant_id = ${scope.tenantId}::int8 order by doc_id, chunk_idx
      `.execute(scope.db)
    ).rows

  it('finds what is near, nearest first', async () => {
    await another()
    const [docId] = await added([
      runbook('https://wiki/payment', [
        [0, 0],
        [3, 4],
        [1, 0],
      ]),
    ])
    const rows = await searchKnowledge(scope, { embedding: [0, 0] }).execute()
    expect(rows.map(({ chunk_idx, distance, score }) => [chunk_idx, distance, score])).toEqual([
      [0, 0, 1],
      [2, 1, 0.5],
      [1, 5, 1 / 6],
    ])
    expect(rows[0]).toEqual({
      item: rows[0]!.chunk_id,
      score: 1,
      chunk_id: expect.stringMatching(/^[0-9]+$/),
      doc_id: docId,
      chunk_idx: 0,
      source: 'runbooks',
      title: 'about https://wiki/payment',
      url: 'https://wiki/payment',
      context: expect.any(String),
      content: 'https://wiki/payment#0',
      snippet: 'https://wiki/payment#0',
      metadata: {},
      lexical_rank: null,
      lexical_score: null,
      matched_terms: [],
      vector_rank: 1,
      vector_score: 1,
      distance: 0,
    })
    expect(await found([0, 0], { limit: 2 })).toEqual(['https://wiki/payment#0', 'https://wiki/payment#2'])
    expect(await topK(scope, searchKnowledge(scope, { embedding: [0, 0] }), 1).execute()).toMatchObject([{ chunk_idx: 0 }])
    expect(
      await searchKnowledge(scope, { embedding: [0, 0] })
        .where('distance', '>', 0)
        .execute(),
    ).toEqual(rows.filter(({ distance }) => distance! > 0))
  })

  it('answers nothing where there is nothing', async () => {
    await another()
    expect(await found([1, 1])).toEqual([])
    await addDocuments(scope, [runbook('empty', [])])
    expect(await found([1, 1])).toEqual([])
  })

  it('orders equal distances by id', async () => {
    await another()
    await addDocuments(scope, [runbook('same', Array<number[]>(30).fill([1, 1]))])
    expect(await found([0, 0], { limit: 5 })).toEqual([0, 1, 2, 3, 4].map((at) => `same#${at}`))
  })

  it('replaces a document that is added again, and leaves what did not change', async () => {
    await another()
    const first = await added([
      runbook('a', [
        [1, 1],
        [2, 2],
        [3, 3],
      ]),
      runbook('b', [[9, 9]]),
    ])
    const before = await stored()
    const again = await added([
      runbook(
        'a',
        [
          [1, 1],
          [2, 2.5],
        ],
        { title: 'renamed' },
      ),
    ])
    expect(again).toEqual([first[0]])
    const after = await stored()
    expect(after.map(({ doc, content, embedding }) => [doc, content, embedding])).toEqual([
      ['renamed', 'a#0', '[1,1]'],
      ['renamed', 'a#1', '[2,2.5]'],
      ['about b', 'b#0', '[9,9]'],
    ])
    expect(after.map(({ chunk_id }) => chunk_id)).toEqual([before[0]!.chunk_id, before[1]!.chunk_id, before[3]!.chunk_id])
    expect(after[0]!.xmin).toBe(before[0]!.xmin)
    expect(after[1]!.xmin).not.toBe(before[1]!.xmin)
    await addDocuments(scope, [runbook('a', [])])
    expect((await stored()).map(({ content }) => content)).toEqual(['b#0'])
  })

  it('tells documents by source and URL, those without a URL by source and title', async () => {
    await another()
    const ids = await added([
      runbook('u', [[1, 1]]),
      runbook('u', [[2, 2]], { source: 'wiki' }),
      runbook('x', [[3, 3]], { url: null, title: 'one' }),
      runbook('x', [[4, 4]], { url: null, title: 'two' }),
      // Once more: the last counts.
      runbook('u', [[5, 5]], { title: 'later' }),
    ])
    expect(new Set(ids).size).toBe(4)
    expect(ids[4]).toBe(ids[0])
    expect((await stored()).map(({ doc, embedding }) => [doc, embedding]).sort()).toEqual(
      [
        ['later', '[5,5]'],
        ['about u', '[2,2]'],
        ['one', '[3,3]'],
        ['two', '[4,4]'],
      ].sort(),
    )
    expect(await added([runbook('x', [], { url: null, title: 'two' })])).toEqual([ids[3]])
    expect(await added([])).toEqual([])
  })

  it('filters by source, resource, metadata and time, before it looks for the nearest', async () => {
    await another()
    const payment = `urn:k8s:svc:shop/"payment" \\ $$ 🦊`
    await addDocuments(scope, [
      runbook('near', Array<number[]>(50).fill([0, 0])),
      runbook('far', [[8, 8]], { source: 'postmortems', resources: [payment, 'urn:x'], metadata: { team: 'pay', tags: ['a', 'b'] } }),
      {
        ...runbook('farther', []),
        metadata: { team: 'pay' },
        chunks: [{ content: 'farther#0', embedding: [9, 9], metadata: { team: 'ops', page: 3 } }],
      },
    ])
    const only = (where: object) => found([0, 0], { limit: 1, where })
    expect(await only({ source: 'postmortems' })).toEqual(['far#0'])
    expect(await only({ resource: payment })).toEqual(['far#0'])
    expect(await only({ resource: payment, metadata: { resources: ['urn:x'] } })).toEqual(['far#0'])
    expect(await only({ resource: payment, metadata: { resources: ['urn:y'] } })).toEqual([])
    expect(await only({ metadata: { tags: ['b'] } })).toEqual(['far#0'])
    expect(await only({ metadata: { team: 'pay' } })).toEqual(['far#0'])
    expect(await only({ metadata: { team: 'ops' } })).toEqual(['farther#0'])
    expect(await only({ metadata: { page: 3 }, source: 'runbooks' })).toEqual(['farther#0'])
    expect(await only({ metadata: {} })).toEqual(['near#0'])
    expect(await only({ source: `'; drop table kb_doc; --` })).toEqual([])
    const now = Date.now()
    const day = 86_400_000
    expect(await only({ source: 'postmortems', addedDuring: { from: new Date(now - day), to: new Date(now + day) } })).toEqual(['far#0'])
    expect(await only({ addedDuring: { from: new Date(now - 2 * day), to: new Date(now - day) } })).toEqual([])
  })

  it('does not find what another tenant knows, however near', async () => {
    const mine = await another()
    await addDocuments(mine, [runbook('mine', [[5, 5]])])
    const theirs = await another()
    await addDocuments(theirs, [runbook('theirs', [[0, 0]])])
    scope = mine
    expect(await found([0, 0])).toEqual(['mine#0'])
    await addDocuments(theirs, [runbook('mine', [])])
    expect(await found([0, 0])).toEqual(['mine#0'])
  })

  it.each([`'; drop table kb_doc; --`, '$$ ${x} $1', '"\\', '🦊', 'x'.repeat(10_000)])('takes hostile text as data (%#)', async (text) => {
    await another()
    const document = { source: text.slice(0, 255), title: text.slice(0, 1024), url: text.slice(0, 2048), metadata: { [text]: text } }
    const chunks = [{ content: text, embedding: [0, 0], metadata: { [`chunk ${text}`]: [text] } }]
    await addDocuments(scope, [{ ...document, chunks }])
    await addDocuments(scope, [{ ...document, chunks }])
    expect(await searchKnowledge(scope, { embedding: [0, 0], where: { metadata: { [text]: text } } }).execute()).toMatchObject([
      { ...document, metadata: { [text]: text, [`chunk ${text}`]: [text] }, content: text },
    ])
  })

  it.each([
    [
      runbook('a', [[1, 2, 3]]),
      'documents[0].chunks[0].embedding: must have 2 numbers, the embedding dimension of this installation, has 3',
    ],
    [
      runbook('a', [
        [1, 2],
        [1, Number.NaN],
      ]),
      'documents[0].chunks[1].embedding[1]: ',
    ],
    [runbook('a', [[1, Number.POSITIVE_INFINITY]]), 'documents[0].chunks[0].embedding[1]: '],
    [runbook('a', [[1, 1e39]]), 'documents[0].chunks[0].embedding[1]: must be at most'],
    [runbook('a', [[1, 2]], { source: '' }), 'documents[0].source: must not be empty'],
    [runbook('a', [[1, 2]], { title: 'a\u0000' }), 'documents[0].title: must not contain the NUL'],
    [runbook('x'.repeat(2049), [[1, 2]], { title: 'x' }), 'documents[0].url: must be at most 2048 bytes'],
    [runbook('a', [], { chunks: [{ content: '\ud800', embedding: [1, 2] }] }), 'documents[0].chunks[0].content: must be well-formed'],
    [runbook('a', [], { metadata: { 'a\u0000': 1 } }), 'documents[0].metadata'],
  ])('refuses a document by name (%#)', async (document, message) => {
    await another()
    const adding = addDocuments(scope, [runbook('good', [[1, 1]]), document].toReversed())
    await expect(adding).rejects.toThrow(InvalidInputError)
    await expect(adding).rejects.toThrow(message)
    expect(await stored()).toEqual([])
  })

  it.each([
    [{ embedding: [1] }, 'embedding: must have 2 numbers'],
    [{ embedding: [1, Number.NaN] }, 'embedding[1]: '],
    [{ limit: 0 }, 'limit: '],
    [{ limit: 1001 }, 'limit: '],
    [{ where: { source: '' } }, 'where.source: must not be empty'],
    [{ where: { metadata: { a: '\u0000' } } }, 'where.metadata.a: '],
    [{ where: { addedDuring: { from: new Date(1), to: new Date(0) } } }, 'where.addedDuring.from: must not be after'],
    [{ where: { tenant_id: '2' } }, 'where: '],
  ])('refuses the search %j by name', async (wrong, message) => {
    await another()
    // What a program without types could hand in.
    const options = { embedding: [0, 0], ...wrong } as Parameters<typeof searchKnowledge>[1]
    expect(() => searchKnowledge(scope, options)).toThrow(message)
  })

  it('is given up by an abort, with nothing written', async () => {
    await another()
    const reason = new Error('enough')
    await expect(addDocuments(scope, [runbook('a', [[1, 1]])], { signal: AbortSignal.abort(reason) })).rejects.toThrow(reason)
    const controller = new AbortController()
    let asked = 0
    const signal = Object.assign(Object.create(controller.signal) as AbortSignal, {
      throwIfAborted: () => {
        if (++asked === 3) throw reason
      },
    })
    await expect(addDocuments(scope, [runbook('a', Array<number[]>(1200).fill([1, 1]))], { signal })).rejects.toThrow(reason)
    expect(asked).toBe(3)
    expect(await stored()).toEqual([])
  })

  it('works in the transaction its scope was made from', async () => {
    await another()
    await test.db
      .transaction()
      .execute(async (trx) => {
        const inside = await tenantScope(trx, scope.tenantCode)
        await addDocuments(inside, [runbook('a', [[1, 1]])])
        expect(await searchKnowledge(inside, { embedding: [1, 1] }).execute()).toHaveLength(1)
        throw new Error('undo')
      })
      .catch(() => {})
    expect(await stored()).toEqual([])
  })

  it.skipIf(!leg.concurrent)('adds a document once from ten places at once', async () => {
    await another()
    const ids = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        added([
          runbook('a', [
            [n, n],
            [n, n],
          ]),
        ]),
      ),
    )
    expect(new Set(ids.flat()).size).toBe(1)
    const [first, second, ...more] = await stored()
    expect(more).toEqual([])
    expect(first!.embedding).toBe(second!.embedding)
  })

  it.each([
    [
      'cosine' as const,
      [
        [0, 2],
        [3, 3],
        [-1, 0],
      ],
      [1, 0],
      [
        [1, Math.SQRT1_2],
        [0, 0],
        [2, -1],
      ],
    ],
    [
      'ip' as const,
      [
        [0, 2],
        [3, 3],
        [-1, 0],
      ],
      [1, 0],
      [
        [1, 3],
        [0, 0],
        [2, -1],
      ],
    ],
  ])('scores by the distance it was installed with: %s', async (distance, embeddings, query, expected) => {
    await using own = disposable(await small(2, distance))
    const there = await tenant(own.db)
    await addDocuments(there, [runbook('a', embeddings)])
    const rows = await searchKnowledge(there, { embedding: query }).execute()
    expect(rows.map(({ chunk_idx }) => chunk_idx)).toEqual(expected.map(([at]) => at))
    rows.forEach(({ score }, at) => expect(score).toBeCloseTo(expected[at]![1]!, 12))
    if (distance === 'cosine') {
      await expect(addDocuments(there, [runbook('b', [[0, 0]])])).rejects.toThrow('must not have length zero')
      expect(() => searchKnowledge(there, { embedding: [1e-30, 0] })).toThrow('must not have length zero')
    } else {
      await addDocuments(there, [runbook('b', [[0, 0]])])
    }
  })

  it('works beyond 2,000 dimensions, where the index holds half precision, and in a schema of any name', async () => {
    await using own = disposable(await small(2100, 'cosine', { schema: 'Ob "servability"' }))
    const there = await tenant(own.db)
    const axis = (at: number) => Array.from({ length: 2100 }, (_, n) => (n === at ? 1 : 0))
    await addDocuments(there, [runbook('a', [axis(0), axis(1), axis(2)])])
    expect(await searchKnowledge(there, { embedding: axis(1), limit: 1 }).execute()).toMatchObject([{ chunk_idx: 1, score: 1 }])
    await expect(addDocuments(there, [runbook('a', [axis(0).map(() => 70_000)])])).rejects.toThrow('must be at most 65504')
  })

  it.each(['l2', 'cosine', 'ip'] as const)('tells a distance for all that it takes, the smallest and the longest: %s', async (distance) => {
    for (const embeddingType of ['vector', 'halfvec'] as const) {
      await using own = disposable(await small(2, distance, { embeddingType }))
      const there = await tenant(own.db)
      const most = embeddingType === 'halfvec' ? 65_504 : 6e18
      const least = embeddingType === 'halfvec' ? 2 ** -24 : 1e-22
      const taken = [[most, most], [-most, -most], [least, least], [1e-50, 1], new Float32Array([1, 0]) as unknown as number[]]
      await addDocuments(there, [runbook('a', taken)])
      for (const embedding of taken) {
        const rows = await searchKnowledge(there, { embedding }).execute()
        expect(rows.map(({ distance, score }) => [distance, score].every(Number.isFinite))).toEqual(taken.map(() => true))
      }
    }
  })

  it.each([2, 2100])('keeps embeddings in half precision where that was asked for: %i dimensions', async (dimensions) => {
    await using own = disposable(await small(dimensions, 'l2', { embeddingType: 'halfvec' }))
    const there = await tenant(own.db)
    const [near, far] = [3, 5].map((value) => Array.from({ length: dimensions }, (_, n) => (n === 0 ? value : 0)))
    await addDocuments(there, [runbook('a', [near!, far!])])
    const search = () => searchKnowledge(there, { text: 'a', embedding: far!, diversity: 0.1 }).execute()
    const found = await search()
    expect(found.map(({ chunk_idx, distance }) => [chunk_idx, distance])).toEqual([
      [1, 0],
      [0, 2],
    ])
    await expect(addDocuments(there, [runbook('a', [near!.map(() => 70_000)])])).rejects.toThrow('must be at most 65504')
    await reembed(there, { embed: async (texts) => texts.map(() => near!), model: 'm' })
    expect((await search()).map(({ distance }) => distance)).toEqual([2, 2])
    await buildVectorIndex(own.db)
    expect((await doctor(own.db)).findings.filter(({ code }) => code === 'drift')).toEqual([])
    await migrateDown(own.db, { toVersion: 12 })
    const { rows } = await sql<{ type: string }>`
      select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'kb_chunk'::regclass and attname = 'embedding'
    `.execute(own.db)
    expect(rows).toEqual([{ type: `vector(${dimensions})` }])
  })
})

const disposable = (test: TestDatabase) => Object.assign(test, { [Symbol.asyncDispose]: () => test.close() })
