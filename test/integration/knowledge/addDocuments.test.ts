import { Readable } from 'node:stream'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import { addDocuments, type AddDocumentsOptions, type DocumentInput, type Embed } from '../../../src/knowledge/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import { InvalidInputError, VantageError } from '../../../src/schema/errors.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

/** What a text is given here, so that it can be told whether each got its own. */
const vectorOf = (text: string) => [text.length, text.codePointAt(0) ?? 0]

/** An embedding function that counts, and refuses texts with the word `poison`. */
function embedder(model: string | undefined = 'one') {
  const texts: string[] = []
  const embed: Embed = Object.assign(
    async (batch: string[]) => {
      if (batch.some((text) => text.includes('poison'))) throw Object.assign(new Error('will not read this'), { status: 400 })
      texts.push(...batch)
      return batch.map(vectorOf)
    },
    model === undefined ? {} : { model },
  )
  return { embed, texts, taken: () => texts.splice(0) }
}

/** The same without its model's name. */
const unnamed =
  (embed: Embed): Embed =>
  (texts, options) =>
    embed(texts, options)

const page = (title: string, content: string, more: object = {}): DocumentInput => ({ source: 'wiki', title, content, ...more })
const sections = (...texts: string[]) => texts.map((text, at) => `# Section ${at}\n\n${text.padEnd(90, ' .')}`).join('\n\n')
/** Each section is a piece of its own. */
const split = { maxCharacters: 100 }

apartFromTime('addDocuments', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: 2 })
  })
  afterAll(() => test.close())
  const another = async () => (scope = await tenant(test.db, `t-${made++}`))
  const add = (documents: DocumentInput[], options: AddDocumentsOptions = {}) => addDocuments(scope, documents, { split, ...options })

  const chunks = async () =>
    (
      await sql<{ title: string; id: string; idx: number; context: string; content: string; embedding: number[] | null; xmin: string }>`
        select doc.title, chunk.chunk_id::text as id, chunk_idx as idx, context, content, embedding::float4[]::float8[] as embedding,
          chunk.xmin::text
        from ${scope.id('kb_chunk')} as chunk join ${scope.id('kb_doc')} as doc using (doc_id)
        where chunk.tenant_id = ${scope.tenantId}::int8 order by doc_id, chunk_idx
      `.execute(scope.db)
    ).rows
  const rows = async (table: string) =>
    (await sql<Record<string, unknown>>`select * from ${scope.id(table)} where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)).rows
  const corpus = async () => (await rows('kb_corpus')).map(({ model, terms_version }) => ({ model, terms_version }))
  const words = async () => (await rows('kb_word')).map(({ word }) => word as string).sort()
  /** What the terms should be, made of the chunks that are there. */
  const assertWhole = async () => {
    const { rows: flaws } = await sql`
      select chunk.chunk_id from ${scope.id('kb_chunk')} as chunk
      left join ${scope.id('kb_term')} as term on term.tenant_id = chunk.tenant_id and term.chunk_id = chunk.chunk_id
      where chunk.tenant_id = ${scope.tenantId}::int8
      group by chunk.chunk_id, chunk.length
      having coalesce(sum(term.frequency), 0) <> chunk.length or bool_or(term.length <> chunk.length) or chunk.fingerprint is null
    `.execute(scope.db)
    expect(flaws).toEqual([])
    for (const { id, embedding, context, content } of await chunks())
      expect([id, embedding]).toEqual([id, embedding && vectorOf(context === '' ? content : `${context}\n\n${content}`)])
  }

  it('splits, embeds and indexes a document', async () => {
    await another()
    const { embed, texts } = embedder()
    const report = await add(
      [
        page('Slow', sections('Look at the disk.', 'Switch over.'), {
          url: 'u',
          resources: ['urn:a'],
          labels: { team: 'pay' },
          metadata: { a: 1 },
        }),
      ],
      { embed },
    )
    expect(report).toEqual({
      documents: [
        {
          doc_id: expect.stringMatching(/^\d+$/),
          source: 'wiki',
          title: 'Slow',
          url: 'u',
          outcome: 'added',
          chunks: 2,
          embedded: 2,
          unembedded: 0,
        },
      ],
      added: 1,
      replaced: 0,
      unchanged: 0,
      refused: 0,
      embedded: 2,
      unembedded: 0,
    })
    expect((await chunks()).map(({ idx, context }) => [idx, context])).toEqual([
      [0, 'Slow / Section 0'],
      [1, 'Slow / Section 1'],
    ])
    expect(texts).toHaveLength(2)
    expect(texts[0]).toMatch(/^Slow \/ Section 0\n\nLook at the disk\./)
    await assertWhole()
    expect(await corpus()).toEqual([{ model: 'one', terms_version: 1 }])
    expect((await rows('kb_chunk'))[0]!['metadata']).toEqual({ a: 1, resources: ['urn:a'], labels: { team: 'pay' } })
  })

  it('notes where a term is first in the content, in code points, and counts those of the context twice', async () => {
    await another()
    await add([{ source: 's', title: 't', chunks: [{ context: 'Disk trouble', content: '🦊 the Disk, the disks' }] }])
    const terms = (await rows('kb_term')).map(({ term, frequency, position, width, length }) => [term, frequency, position, width, length])
    expect(terms.sort()).toEqual(
      [
        ['disk', 4, 6, 4, 8],
        ['the', 2, 2, 3, 8],
        ['troubl', 2, null, null, 8],
      ].sort(),
    )
    expect(await words()).toEqual(['disk', 'troubl'])
    expect(await chunks()).toMatchObject([{ embedding: null }])
  })

  it('does nothing for the same document again', async () => {
    await another()
    const { embed, taken } = embedder()
    const documents = [
      page('a', sections('one', 'two'), { metadata: { x: 1, y: { p: 1, q: 2 } } }),
      { source: 's', title: 'b', chunks: [{ content: 'brought', embedding: vectorOf('brought') }, { content: 'made' }] },
      page('c', ''),
    ]
    const first = await add(documents, { embed })
    expect(first).toMatchObject({ added: 3, embedded: 3 })
    const before = [await chunks(), await rows('kb_doc'), await rows('kb_term')]
    taken()
    const again = await add([{ ...documents[0]!, metadata: { y: { q: 2, p: 1 }, x: 1 } }, ...documents.slice(1)], {
      embed,
    })
    expect(again).toMatchObject({ unchanged: 3, embedded: 0, added: 0, replaced: 0 })
    expect(again.documents.map(({ doc_id, chunks }) => [doc_id, chunks])).toEqual(
      first.documents.map(({ doc_id, chunks }) => [doc_id, chunks]),
    )
    expect(taken()).toEqual([])
    expect([await chunks(), await rows('kb_doc'), await rows('kb_term')]).toEqual(before)
  })

  it('keeps what has not changed in a changed document, wherever it is now', async () => {
    await another()
    const { embed, taken } = embedder()
    const brought = (...contents: string[]): DocumentInput => ({
      source: 's',
      title: 't',
      chunks: contents.map((content) => ({ content })),
    })
    await add([brought('alpha', 'beta', 'gamma', 'delta')], { embed })
    const [alpha, beta, , delta] = await chunks()
    taken()
    expect(await add([brought('alpha', 'new words', 'beta', 'delta', 'delta')], { embed })).toMatchObject({ replaced: 1, embedded: 2 })
    expect(taken().sort()).toEqual(['delta', 'new words'])
    const after = await chunks()
    expect(after.map(({ content }) => content)).toEqual(['alpha', 'new words', 'beta', 'delta', 'delta'])
    expect(after[0]).toEqual(alpha)
    expect([after[2]!.id, after[3]]).toEqual([beta!.id, delta])
    await assertWhole()
    expect(await add([brought('delta', 'beta')], { embed })).toMatchObject({ replaced: 1, embedded: 0 })
    expect((await chunks()).map(({ content, id }) => [content, id])).toEqual([
      ['delta', expect.anything()],
      ['beta', beta!.id],
    ])
    await assertWhole()
    expect(await add([brought()], { embed })).toMatchObject({ replaced: 1 })
    expect([await chunks(), await rows('kb_term')]).toEqual([[], []])
  })

  it('writes metadata alone where nothing else has changed', async () => {
    await another()
    const { embed, taken } = embedder()
    await add([page('a', sections('one', 'two'))], { embed })
    const before = await chunks()
    const terms = await rows('kb_term')
    taken()
    expect(await add([page('a', sections('one', 'two'), { labels: { team: 'pay' } })], { embed })).toMatchObject({
      replaced: 1,
      embedded: 0,
    })
    expect((await chunks()).map(({ id, embedding }) => [id, embedding])).toEqual(before.map(({ id, embedding }) => [id, embedding]))
    expect((await rows('kb_chunk')).map(({ metadata }) => metadata)).toEqual([{ labels: { team: 'pay' } }, { labels: { team: 'pay' } }])
    expect(await rows('kb_term')).toEqual(terms)
    expect(taken()).toEqual([])
  })

  it('takes the last of a document that is given twice', async () => {
    await another()
    const { embed } = embedder()
    const report = await add([page('a', 'first'), page('b', 'other'), page('a', 'second')], { embed })
    expect(report.documents.map(({ outcome }) => outcome)).toEqual(['added', 'added', 'replaced'])
    expect(report.documents[2]!.doc_id).toBe(report.documents[0]!.doc_id)
    expect((await chunks()).map(({ content }) => content)).toEqual(['second', 'other'])
  })

  it('finds by words alone what was added without a model, and embeds it when there is one', async () => {
    await another()
    expect(await add([page('a', 'words')])).toMatchObject({ added: 1, embedded: 0, unembedded: 1 })
    expect(await add([page('a', 'words')])).toMatchObject({ unchanged: 1, embedded: 0, unembedded: 1 })
    expect(await corpus()).toEqual([{ model: null, terms_version: 1 }])
    const { embed } = embedder()
    expect(await add([page('a', 'words')], { embed })).toMatchObject({ replaced: 1, embedded: 1, unembedded: 0 })
    expect(await corpus()).toEqual([{ model: 'one', terms_version: 1 }])
    await assertWhole()
  })

  it('keeps the embeddings of texts that have not changed where nothing embeds, and counts what has none', async () => {
    await another()
    const { embed, taken } = embedder()
    const parts = (...contents: string[]): DocumentInput => ({ source: 's', title: 't', chunks: contents.map((content) => ({ content })) })
    const documents = [parts('alpha', 'beta', 'gamma'), page('a', 'words'), page('empty', '')]
    await add(documents, { embed })
    const before = [await chunks(), await rows('kb_doc')]
    expect(await add(documents)).toMatchObject({ unchanged: 3, unembedded: 0 })
    expect([await chunks(), await rows('kb_doc')]).toEqual(before)
    taken()
    // One text changes, one moves, one is new, one stays.
    const changed = [parts('new words', 'alpha', 'gamma', 'more words'), documents[1]!]
    expect(await add(changed)).toMatchObject({ replaced: 1, unchanged: 1, unembedded: 2, documents: [{ chunks: 4, unembedded: 2 }, {}] })
    expect((await chunks()).map(({ content, embedding }) => [content, embedding !== null])).toEqual([
      ['new words', false],
      ['alpha', true],
      ['gamma', true],
      ['more words', false],
      ['words', true],
    ])
    await assertWhole()
    const half = await chunks()
    expect(await add(changed)).toMatchObject({ unchanged: 2, unembedded: 2 })
    expect(await chunks()).toEqual(half)
    // Embedded at last: what has its embedding is not paid for again.
    expect(await add(changed, { embed })).toMatchObject({ replaced: 1, unchanged: 1, embedded: 2, unembedded: 0 })
    expect(taken().sort()).toEqual(['more words', 'new words'])
    await assertWhole()
    expect(await add(changed, { embed })).toMatchObject({ unchanged: 2, embedded: 0 })
    expect(await add([{ ...changed[0]!, labels: { team: 'pay' } }])).toMatchObject({ replaced: 1, unembedded: 0 })
    expect(await add([{ ...changed[0]!, labels: { team: 'pay' } }], { embed })).toMatchObject({ unchanged: 1, embedded: 0 })
    expect(taken()).toEqual([])
  })

  it('keeps embeddings that were brought along, until others are', async () => {
    await another()
    const given = (first?: number[], second?: number[]): DocumentInput => ({
      source: 's',
      title: 't',
      chunks: [
        { content: 'alpha', ...(first && { embedding: first }) },
        { content: 'beta', ...(second && { embedding: second }) },
      ],
    })
    const embeddings = async () => (await chunks()).map(({ embedding }) => embedding)
    await add([given([1, 2])])
    expect(await add([given()])).toMatchObject({ unchanged: 1, unembedded: 1 })
    expect(await add([given(undefined, [3, 4])])).toMatchObject({ replaced: 1, unembedded: 0 })
    expect(await embeddings()).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(await add([given(undefined, [3, 4])])).toMatchObject({ unchanged: 1 })
    expect(await add([given([5, 6])])).toMatchObject({ replaced: 1 })
    expect(await embeddings()).toEqual([
      [5, 6],
      [3, 4],
    ])
  })

  it('refuses another model by both names, before it is called', async () => {
    await another()
    const one = embedder('one')
    await add([page('a', 'text')], { embed: one.embed })
    const two = embedder('two')
    const adding = add([page('b', 'text')], { embed: two.embed })
    await expect(adding).rejects.toThrow(InvalidInputError)
    await expect(adding).rejects.toThrow(/^model: must be "one", .*got "two".*reembed\(/)
    await expect(add([{ source: 's', title: 't', chunks: [{ content: 'c', embedding: [1, 2] }] }], { model: 'two' })).rejects.toThrow(
      '"two"',
    )
    expect(two.texts).toEqual([])
    expect(await chunks()).toHaveLength(1)
    // Who names none says nothing else.
    expect(await add([page('b', 'text')], { embed: unnamed(embedder().embed), model: 'one' })).toMatchObject({ added: 1 })
  })

  it('reuses no embedding of a model that nobody had named', async () => {
    await another()
    await add([page('a', 'text')], { embed: unnamed(embedder().embed) })
    const { embed, texts } = embedder('one')
    expect(await add([page('a', 'text')], { embed })).toMatchObject({ replaced: 1, embedded: 1 })
    expect(texts).toHaveLength(1)
  })

  it('refuses terms of another version, and says what to do', async () => {
    await another()
    await add([page('a', 'text')])
    await sql`update ${scope.id('kb_corpus')} set terms_version = 99 where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    await expect(add([page('a', 'text')])).rejects.toThrow(/version 99, this version of pgvantage makes version 1.*reindexTerms\(scope\)/)
    await expect(add([page('a', 'text')])).rejects.toMatchObject({ code: 'TERMS_VERSION' })
  })

  it('names what the provider refuses, keeps its old version, and lets nobody wait', async () => {
    await another()
    const { embed } = embedder()
    await add([page('a', sections('one', 'two'))], { embed })
    const before = await chunks()
    const report = await add([page('new', 'poison'), page('a', sections('one', 'poison')), page('b', 'well')], { embed })
    expect(report).toMatchObject({ added: 1, refused: 2 })
    expect(report.documents).toMatchObject([
      {
        doc_id: null,
        title: 'new',
        outcome: 'refused',
        chunks: 0,
        reason: expect.stringMatching(/^the text "poison" has no embedding: .*will not read this/),
      },
      { doc_id: expect.any(String), title: 'a', outcome: 'refused', chunks: 2 },
      { title: 'b', outcome: 'added' },
    ])
    expect((await chunks()).slice(0, 2)).toEqual(before)
  })

  it('refuses embeddings of another dimension by name, brought along or made', async () => {
    await another()
    await expect(add([page('a', 'text'), { source: 's', title: 't', chunks: [{ content: 'c', embedding: [1] }] }])).rejects.toThrow(
      'documents[1].chunks[0].embedding: must have 2 numbers',
    )
    await expect(add([page('a', 'text')], { embed: async (texts) => texts.map(() => [1, 2, 3]) })).rejects.toThrow(/3 numbers, not 2/)
    expect(await rows('kb_doc')).toEqual([])
    expect(await rows('kb_corpus')).toEqual([])
  })

  it('rejects when the provider fails for good, says what was done, and goes on when called again', async () => {
    await another()
    const cause = Object.assign(new Error('no such key'), { status: 401 })
    let calls = 0
    const { embed } = embedder()
    const failing: Embed = async (texts) => {
      calls += 1
      if (texts.some((text) => text.includes('number 100'))) throw cause
      return embed(texts)
    }
    const documents = Array.from({ length: 130 }, (_, at) => page(`${at}`, `number ${at}`))
    const failure: unknown = await add(documents, { embed: failing, model: 'one' }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(VantageError)
    expect(failure).toMatchObject({ code: 'EMBEDDING_FAILED', cause })
    expect(String(failure)).toContain(
      '64 documents were done before (64 added, 0 replaced, 0 unchanged, 0 refused), none from "64" of "wiki" on',
    )
    expect(await chunks()).toHaveLength(64)
    expect(calls).toBeGreaterThan(0)
    expect(await add(documents, { embed })).toMatchObject({ unchanged: 64, added: 66, embedded: 66 })
  })

  it.each([
    ['neither content nor chunks', { source: 's', title: 't' }, 'documents[1]: must have either content, which is split, or chunks'],
    ['both', { source: 's', title: 't', content: 'c', chunks: [] }, 'documents[1]: must have either'],
    ['a format of chunks', { source: 's', title: 't', format: 'text', chunks: [] }, 'documents[1].format: is only for content'],
    ['no title', { source: 's', title: '', content: 'c' }, 'documents[1].title: must not be empty'],
    ['an unknown key', { source: 's', title: 't', content: 'c', text: 'c' }, 'documents[1]: has no key "text"'],
    ['labels that are none', { source: 's', title: 't', content: 'c', labels: 1 }, 'documents[1].labels: must be a JSON object'],
  ])('refuses %s by its number: an array before anything is written, a stream after what came before', async (_, wrong, message) => {
    await another()
    const documents = [page('a', 'text'), wrong as DocumentInput]
    await expect(add(documents)).rejects.toThrow(message)
    expect(await rows('kb_doc')).toEqual([])
    await expect(addDocuments(scope, new Set(documents))).rejects.toThrow(message)
    expect(await rows('kb_doc')).toHaveLength(1)
  })

  it.each([undefined, null, 5, 'text', {}])('refuses %j for documents', async (wrong) => {
    await another()
    await expect(addDocuments(scope, wrong as never)).rejects.toThrow(/^documents(\[0\])?: must be|^documents\[0\]: /)
  })

  it('takes a stream, tells of each document once it is committed, and keeps none', async () => {
    await another()
    let given = 0
    let most = 0
    let told = 0
    async function* many() {
      for (; given < 300; given += 1) {
        most = Math.max(most, given - told)
        yield page(`${given}`, `text ${given}`)
      }
    }
    const titles: string[] = []
    const report = await addDocuments(scope, many(), {
      onDocument: async ({ title }) => {
        told += 1
        titles.push(title)
        if (told % 100 === 0) expect((await chunks()).length).toBeGreaterThanOrEqual(told)
      },
    })
    expect(report).toEqual({ documents: [], added: 300, replaced: 0, unchanged: 0, refused: 0, embedded: 0, unembedded: 300 })
    expect(titles).toEqual(Array.from({ length: 300 }, (_, at) => `${at}`))
    expect(most).toBeLessThanOrEqual(65)
  })

  it('is given up by an abort: at once while it embeds or waits for a document, and keeps what is committed', async () => {
    await another()
    const reason = new Error('enough')
    const controller = new AbortController()
    const never: Embed = async () => {
      controller.abort(reason)
      return new Promise(() => {})
    }
    await expect(add([page('a', 'text')], { embed: never, signal: controller.signal })).rejects.toBe(reason)
    expect([await rows('kb_doc'), await rows('kb_corpus')]).toEqual([[], []])
    const quiet = new AbortController()
    let closed = false
    async function* silent() {
      try {
        for (let at = 0; at < 65; at += 1) yield page(`${at}`, 'text')
        setTimeout(() => quiet.abort(reason), 50)
        await new Promise(() => {})
      } finally {
        closed = true
      }
    }
    await expect(addDocuments(scope, silent(), { signal: quiet.signal })).rejects.toBe(reason)
    expect(await rows('kb_doc')).toHaveLength(64)
    expect(closed).toBe(false)
  })

  it('closes what yields documents where it fails', async () => {
    await another()
    const documents = Array.from({ length: 200 }, (_, at) => page(`${at}`, `text ${at}`))
    const failure = new Error('no')
    const failing: [AddDocumentsOptions, RegExp | Error][] = [
      [{ embed: () => Promise.reject(Object.assign(new Error('no key'), { status: 401 })) }, /no key/],
      [{ onDocument: () => Promise.reject(failure) }, failure],
    ]
    for (const [options, message] of failing) {
      const stream = Readable.from(documents)
      await expect(addDocuments(scope, stream, options)).rejects.toThrow(message)
      expect(stream.destroyed).toBe(true)
    }
    const controller = new AbortController()
    const stream = Readable.from(documents)
    const never: Embed = async () => {
      controller.abort(failure)
      return new Promise(() => {})
    }
    await expect(addDocuments(scope, stream, { embed: never, signal: controller.signal })).rejects.toBe(failure)
    expect(stream.destroyed).toBe(true)
  })

  it('works in a transaction of the caller’s, and is undone with it', async () => {
    await another()
    const { embed } = embedder()
    await test.db
      .transaction()
      .execute(async (trx) => {
        const inside = await tenantScope(trx, scope.tenantCode)
        const documents = Array.from({ length: 70 }, (_, at) => page(`${at}`, `text ${at}`))
        expect(await addDocuments(inside, documents, { embed })).toMatchObject({ added: 70 })
        expect(await addDocuments(inside, documents, { embed })).toMatchObject({ unchanged: 70 })
        throw new Error('undo')
      })
      .catch((error: Error) => expect(error.message).toBe('undo'))
    for (const table of ['kb_doc', 'kb_chunk', 'kb_term', 'kb_word', 'kb_corpus']) expect(await rows(table)).toEqual([])
  })

  it('indexes what was there before there were terms when it is added again', async () => {
    await another()
    const { embed } = embedder()
    await add([page('a', 'old text')], { embed })
    await sql`delete from ${scope.id('kb_term')} where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    await sql`update ${scope.id('kb_chunk')} set fingerprint = null, length = 0 where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    await sql`update ${scope.id('kb_doc')} set fingerprint = null where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
    const [before] = await chunks()
    expect(await add([page('a', 'old text')], { embed })).toMatchObject({ replaced: 1, embedded: 1 })
    expect((await chunks()).map(({ id }) => id)).toEqual([before!.id])
    await assertWhole()
  })

  describe.skipIf(!leg.concurrent)('with several writers', () => {
    it('writes the same documents from ten places at once, in any order, without a deadlock', async () => {
      await another()
      const { embed } = embedder()
      const documents = Array.from({ length: 12 }, (_, at) => at)
      const reports = await Promise.all(
        Array.from({ length: 10 }, (_, writer) =>
          add(
            documents
              .toSorted((a, b) => ((a * 7 + writer * 5) % 12) - ((b * 7 + writer * 5) % 12))
              .map((at) => page(`${at}`, sections('the same', `of ${writer}`, `writer${writer}word${at}`))),
            { embed },
          ),
        ),
      )
      expect(reports.reduce((sum, { added }) => sum + added, 0)).toBe(12)
      expect(reports.every(({ refused }) => refused === 0)).toBe(true)
      expect(await rows('kb_doc')).toHaveLength(12)
      expect(await chunks()).toHaveLength(36)
      await assertWhole()
    })

    it('lets writers of other documents go on while one is not done', { timeout: 30_000 }, async () => {
      await another()
      await add([page('a', 'text'), page('b', 'text')])
      await holding(test.db, async (trx) => {
        await addDocuments(await tenantScope(trx, scope.tenantCode), [page('a', 'unheard words')])
        expect(await add([page('b', 'other text')])).toMatchObject({ replaced: 1 })
        // The same one waits.
        const waiting = add([page('a', 'text of mine')], { signal: AbortSignal.timeout(20_000) })
        expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(() => resolve('waits'), 300))])).toBe('waits')
        return { afterwards: waiting }
      })
      expect((await chunks()).map(({ content }) => content)).toEqual(['text of mine', 'other text'])
    })

    it('leaves the old version whole when it is killed in the middle', async () => {
      await another()
      const { embed } = embedder()
      await add([page('a', sections('one', 'two'))], { embed })
      const before = await chunks()
      // Everything of the transaction is done but its last statement.
      await holding(test.db, async (trx) => {
        await sql`lock table ${scope.id('kb_word')} in share row exclusive mode`.execute(trx)
        const adding = add([page('a', sections('three', 'unheard words'))], { embed }).catch((error: unknown) => error)
        const { rows: blocked } = await until(async () =>
          sql<{ pid: number }>`
            select pid from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query like '%kb_word%' and pid <> pg_backend_pid()
          `.execute(test.db),
        )
        await sql`select pg_terminate_backend(${blocked[0]!.pid})`.execute(test.db)
        expect(await adding).toBeInstanceOf(Error)
      })
      expect(await chunks()).toEqual(before)
      await assertWhole()
      expect(await add([page('a', sections('three', 'unheard words'))], { embed })).toMatchObject({ replaced: 1 })
      await assertWhole()
    })
  })
})

/** A transaction that stays open while the work is done; what it leaves is awaited after its end. */
async function holding(db: Kysely<{}>, work: (trx: Kysely<{}>) => Promise<void | { afterwards: Promise<unknown> }>): Promise<void> {
  const left = await db.transaction().execute(work)
  await left?.afterwards
}

async function until<T extends { rows: unknown[] }>(look: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const found = await look()
    if (found.rows.length > 0) return found
    if (tries > 200) throw new Error('nothing came')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
