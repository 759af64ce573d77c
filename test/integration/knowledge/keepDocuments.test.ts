import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import {
  addDocuments,
  reembed,
  reindexTerms,
  removeDocuments,
  searchKnowledge,
  type DocumentInput,
  type DocumentsWhere,
  type Embed,
} from '../../../src/knowledge/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

/** A model whose embeddings begin with its number, and that refuses the word `poison`. */
function modelOf(number: number) {
  const texts: string[] = []
  const embed: Embed = Object.assign(
    async (batch: string[]) => {
      if (batch.some((text) => text.includes('poison'))) throw Object.assign(new Error('will not read this'), { status: 422 })
      texts.push(...batch)
      return batch.map((text) => [number, text.length])
    },
    { model: `model ${number}` },
  )
  return { embed, texts, taken: () => texts.splice(0) }
}

const page = (title: string, content: string, more: object = {}): DocumentInput => ({ source: 'wiki', title, content, ...more })

apartFromTime('what a tenant knows', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: 2 })
  })
  afterAll(() => test.close())
  const another = async () => (scope = await tenant(test.db, `t-${made++}`))
  const add = (documents: DocumentInput[], embed?: Embed) => addDocuments(scope, documents, embed && { embed })
  const rows = async (table: string, of = scope) =>
    (await sql<Record<string, unknown>>`select * from ${of.id(table)} where tenant_id = ${of.tenantId}::int8`.execute(of.db)).rows
  const counts = async (of = scope) => {
    const names = ['kb_doc', 'kb_chunk', 'kb_term', 'kb_word', 'kb_reembedding']
    return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await rows(name, of)).length] as const)))
  }
  const embeddings = async () =>
    (
      await sql<{ content: string; embedding: number[] | null }>`
        select content, embedding::float4[]::float8[] as embedding from ${scope.id('kb_chunk')}
        where tenant_id = ${scope.tenantId}::int8 order by chunk_id
      `.execute(scope.db)
    ).rows.map(({ content, embedding }) => [content, embedding?.[0] ?? null])
  const model = async () => (await rows('kb_corpus'))[0]!['model']

  describe('removeDocuments', () => {
    const there = [
      page('a', 'only alpha', { url: 'u-a' }),
      page('b', 'only beta', { url: 'u-b' }),
      page('c', 'only gamma'),
      { source: 'other', title: 'a', content: 'only delta', url: 'u-a' },
    ]
    const left = async () => (await rows('kb_doc')).map(({ source, title }) => `${String(source)} ${String(title)}`).sort()

    it.each<[DocumentsWhere, number, string[]]>([
      [{ source: 'wiki' }, 3, ['other a']],
      [{ source: 'wiki', urls: ['u-a', 'none'] }, 1, ['other a', 'wiki b', 'wiki c']],
      [{ source: 'wiki', titles: ['c'] }, 1, ['other a', 'wiki a', 'wiki b']],
      [{ source: 'wiki', urls: ['u-a'], titles: ['c'] }, 2, ['other a', 'wiki b']],
      [{ source: 'none' }, 0, ['other a', 'wiki a', 'wiki b', 'wiki c']],
      [{ ids: ['999999999', '9223372036854775807'] }, 0, ['other a', 'wiki a', 'wiki b', 'wiki c']],
    ])('%j', async (where, count, rest) => {
      const theirs = await another()
      await add(there)
      const before = await counts()
      await another()
      await add(there)
      expect(await removeDocuments(scope, where)).toBe(count)
      expect(await left()).toEqual(rest)
      expect(await counts(theirs)).toEqual(before)
      // What is left is what there would be without them.
      const after = await counts()
      await another()
      await add(there.filter(({ source, title }) => rest.includes(`${source} ${title}`)))
      expect(await counts()).toEqual(after)
    })

    it('by ids, with everything of them', async () => {
      await another()
      const { documents } = await add(there)
      expect(await removeDocuments(scope, { ids: documents.map(({ doc_id }) => doc_id!) })).toBe(4)
      expect(await counts()).toEqual({ kb_doc: 0, kb_chunk: 0, kb_term: 0, kb_word: 0, kb_reembedding: 0 })
    })

    it.each([
      [undefined, 'where'],
      [{}, 'where: must say which documents'],
      [{ urls: ['u-a'] }, 'where: must say which documents'],
      [{ ids: [] }, 'where.ids: must name at least one'],
      [{ source: 'wiki', urls: [] }, 'where.urls: must name at least one'],
      [{ source: 'wiki', titles: [] }, 'where.titles: must name at least one'],
      [{ source: undefined }, 'where: must say which'],
      [{ ids: ['1'], source: 'wiki' }, 'where: must have either ids or a source'],
      [{ ids: ['x'] }, 'where.ids[0]: must be the id of a document'],
      [{ ids: ['9999999999999999999'] }, 'where.ids[0]: must be the id of a document'],
      [{ ids: ['1', '9223372036854775808'] }, 'where.ids[1]: must be the id of a document'],
      [{ source: 'wiki', url: 'u' }, 'where: has no key "url"'],
    ])('refuses %j, and removes nothing', async (where, message) => {
      await another()
      await add(there)
      await expect(removeDocuments(scope, where as never)).rejects.toThrow(message)
      expect(await left()).toHaveLength(4)
    })
  })

  describe('reembed', () => {
    it('moves everything to another model, after which the same documents cost nothing', async () => {
      await another()
      const one = modelOf(1)
      const two = modelOf(2)
      const documents = [page('a', 'first'), page('b', 'second')]
      await add(documents, one.embed)
      await add([page('c', 'of words')])
      const told: unknown[] = []
      expect(await reembed(scope, { embed: two.embed, onProgress: (progress) => told.push(progress) })).toEqual({
        model: 'model 2',
        chunks: 3,
        embedded: 3,
        refused: [],
      })
      expect(told).toEqual([{ done: 3, chunks: 3 }])
      expect(await embeddings()).toEqual([
        ['first', 2],
        ['second', 2],
        ['of words', 2],
      ])
      expect([await model(), await rows('kb_reembedding')]).toEqual(['model 2', []])
      two.taken()
      const before = await rows('kb_doc')
      expect(await add(documents, two.embed)).toMatchObject({ unchanged: 2, embedded: 0 })
      expect(await rows('kb_doc')).toEqual(before)
      expect(await reembed(scope, { embed: two.embed })).toMatchObject({ embedded: 0 })
      expect(two.texts).toEqual([])
      await expect(add(documents, one.embed)).rejects.toThrow('must be "model 2"')
    })

    it('leaves everything as it was until it is through, and goes on where it was stopped', async () => {
      await another()
      await add(
        Array.from({ length: 600 }, (_, at) => page(`${at}`, `text ${at}`)),
        modelOf(1).embed,
      )
      const two = modelOf(2)
      const reason = new Error('enough')
      const controller = new AbortController()
      const stopping = reembed(scope, { embed: two.embed, signal: controller.signal, onProgress: () => controller.abort(reason) })
      await expect(stopping).rejects.toBe(reason)
      expect(new Set((await embeddings()).map(([, first]) => first))).toEqual(new Set([1]))
      expect([await model(), (await rows('kb_reembedding')).length, two.taken().length]).toEqual(['model 1', 500, 500])
      // One of what is there changes, one goes, one comes.
      await addDocuments(scope, [page('0', 'changed'), page('new', 'new')], { embed: modelOf(1).embed })
      await removeDocuments(scope, { source: 'wiki', titles: ['1'] })
      expect(await reembed(scope, { embed: two.embed })).toMatchObject({ chunks: 600, embedded: 102, refused: [] })
      expect(two.texts).toContain('0\n\nchanged')
      expect(new Set((await embeddings()).map(([, first]) => first))).toEqual(new Set([2]))
      expect(await rows('kb_reembedding')).toEqual([])
    })

    it('does not take what was put aside for a third model', async () => {
      await another()
      await add([page('a', 'text')], modelOf(1).embed)
      const controller = new AbortController()
      await reembed(scope, { embed: modelOf(2).embed, signal: controller.signal, onProgress: () => controller.abort() }).catch(() => {})
      expect(await rows('kb_reembedding')).toHaveLength(1)
      const three = modelOf(3)
      expect(await reembed(scope, { embed: three.embed })).toMatchObject({ embedded: 1 })
      expect(await embeddings()).toEqual([['text', 3]])
    })

    it('says what the new model refuses, which is found by its words then, and tries it again with its document', async () => {
      await another()
      const lenient: Embed = Object.assign(async (texts: string[]) => texts.map(() => [1, 1]), { model: 'model 1' })
      await add([page('a', 'well'), page('b', 'poison')], lenient)
      const { refused, ...rest } = await reembed(scope, { embed: modelOf(2).embed })
      expect(rest).toEqual({ model: 'model 2', chunks: 2, embedded: 1 })
      expect(refused).toEqual([
        {
          chunk_id: expect.any(String),
          doc_id: expect.any(String),
          source: 'wiki',
          title: 'b',
          reason: expect.stringContaining('will not read this'),
        },
      ])
      expect(await embeddings()).toEqual([
        ['well', 2],
        ['poison', null],
      ])
      expect(await rows('kb_term')).not.toEqual([])
      const kinder: Embed = Object.assign(async (texts: string[]) => texts.map(() => [2, 2]), { model: 'model 2' })
      expect(await add([page('a', 'well'), page('b', 'poison')], kinder)).toMatchObject({ unchanged: 1, replaced: 1, embedded: 1 })
    })

    it('keeps the old model where the new one fails, or has another dimension', async () => {
      await another()
      await add([page('a', 'text')], modelOf(1).embed)
      const cause = Object.assign(new Error('no key'), { status: 401 })
      await expect(reembed(scope, { embed: () => Promise.reject(cause), model: 'x' })).rejects.toMatchObject({
        code: 'EMBEDDING_FAILED',
        cause,
      })
      await expect(reembed(scope, { embed: async () => [[1, 2, 3]], model: 'x' })).rejects.toThrow('3 numbers, not 2')
      await expect(reembed(scope, { embed: async () => [[1, 2]] })).rejects.toThrow(/^model: must name the new model/)
      expect([await embeddings(), await model()]).toEqual([[['text', 1]], 'model 1'])
    })

    it('embeds chunks that were there before there were fingerprints', async () => {
      await another()
      await add([page('a', 'old')], modelOf(1).embed)
      await sql`update ${scope.id('kb_chunk')} set fingerprint = null where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
      await sql`delete from ${scope.id('kb_corpus')} where tenant_id = ${scope.tenantId}::int8`.execute(scope.db)
      const two = modelOf(2)
      expect(await reembed(scope, { embed: two.embed })).toMatchObject({ embedded: 1 })
      expect([await embeddings(), await model(), two.texts.length]).toEqual([[['old', 2]], 'model 2', 1])
    })

    it('works in a transaction of the caller’s', async () => {
      await another()
      await add([page('a', 'text')], modelOf(1).embed)
      await test.db
        .transaction()
        .execute(async (trx) => {
          expect(await reembed(await tenantScope(trx, scope.tenantCode), { embed: modelOf(2).embed })).toMatchObject({ embedded: 1 })
          throw new Error('undo')
        })
        .catch((error: Error) => expect(error.message).toBe('undo'))
      expect([await embeddings(), await model(), await rows('kb_reembedding')]).toEqual([[['text', 1]], 'model 1', []])
    })

    it.skipIf(!leg.concurrent)('shows searches and writers one model at a time', async () => {
      await another()
      const one = modelOf(1)
      const two = modelOf(2)
      await add(
        Array.from({ length: 200 }, (_, at) => page(`${at}`, `text ${at}`)),
        one.embed,
      )
      let over = false
      const seen = new Set<string>()
      const searching = (async () => {
        while (!over) {
          const found = await searchKnowledge(scope, { embedding: [0, 0], limit: 1000 }).execute()
          // Of model 1, all are nearer than 1.5 in the first number.
          const { rows: models } = await sql<{ models: string }>`
            select string_agg(distinct (chunk.embedding::float4[])[1]::text, ' ') as models from ${scope.id('kb_chunk')} as chunk
            where tenant_id = ${scope.tenantId}::int8
          `.execute(scope.db)
          expect(found.length).toBeGreaterThanOrEqual(200)
          seen.add(models[0]!.models)
        }
      })()
      let added = 0
      const writing = (async () => {
        while (!over) {
          const failure = await add([page(`more ${added}`, `more text ${added}`)], one.embed).then(
            () => undefined,
            (error: unknown) => String(error),
          )
          if (failure !== undefined) return failure
          added += 1
        }
        return 'never refused'
      })()
      const { chunks } = await reembed(scope, { embed: two.embed })
      const refusal = await Promise.race([writing, new Promise((resolve) => setTimeout(() => resolve('still written'), 5_000))])
      over = true
      await searching
      expect(refusal).toContain('must be "model 2"')
      expect([...seen].sort()).toEqual(seen.size === 1 ? ['1'] : ['1', '2'])
      expect(chunks).toBe(200 + added)
      expect(new Set((await embeddings()).map(([, first]) => first))).toEqual(new Set([2]))
    })
  })

  describe('reindexTerms', () => {
    it('writes the terms, lengths and words again, of this tenant only, and says the version', async () => {
      const theirs = await another()
      await add([page('a', 'their words')])
      await another()
      await add([page('a', 'The disk is full.'), page('b', 'Switch over.')])
      const right = [await rows('kb_term'), await rows('kb_word'), await rows('kb_chunk')]
      for (const of of [scope, theirs]) {
        await sql`delete from ${of.id('kb_term')} where tenant_id = ${of.tenantId}::int8`.execute(of.db)
        await sql`update ${of.id('kb_word')} set word = 'stale' || word where tenant_id = ${of.tenantId}::int8`.execute(of.db)
        await sql`update ${of.id('kb_chunk')} set length = 0 where tenant_id = ${of.tenantId}::int8`.execute(of.db)
        await sql`update ${of.id('kb_corpus')} set terms_version = 0 where tenant_id = ${of.tenantId}::int8`.execute(of.db)
      }
      const told: unknown[] = []
      expect(await reindexTerms(scope, { onProgress: (progress) => told.push(progress) })).toBe(2)
      expect(told).toEqual([{ done: 2, chunks: 2 }])
      const byText = (all: Record<string, unknown>[]) => all.map((row) => JSON.stringify(row)).sort()
      expect([await rows('kb_term'), await rows('kb_word'), await rows('kb_chunk')].map(byText)).toEqual(right.map(byText))
      expect((await rows('kb_corpus'))[0]).toMatchObject({ terms_version: 1 })
      expect(await rows('kb_term', theirs)).toEqual([])
      expect((await rows('kb_corpus', theirs))[0]).toMatchObject({ terms_version: 0 })
      expect(await add([page('a', 'The disk is full.')])).toMatchObject({ unchanged: 1 })
      // Once more changes nothing.
      expect(await reindexTerms(scope)).toBe(2)
      expect([await rows('kb_term'), await rows('kb_word'), await rows('kb_chunk')].map(byText)).toEqual(right.map(byText))
    })

    it('goes through more than one transaction, and can be stopped in between', async () => {
      await another()
      const chunks = Array.from({ length: 1001 }, (_, at) => ({ content: `word${at}` }))
      await add([{ source: 's', title: 't', chunks }])
      const controller = new AbortController()
      const reason = new Error('enough')
      await expect(reindexTerms(scope, { signal: controller.signal, onProgress: () => controller.abort(reason) })).rejects.toBe(reason)
      const told: unknown[] = []
      expect(await reindexTerms(scope, { onProgress: ({ done }) => told.push(done) })).toBe(1001)
      expect(told).toEqual([500, 1000, 1001])
    })

    it('makes nothing of nothing', async () => {
      await another()
      expect(await reindexTerms(scope)).toBe(0)
    })
  })
})
