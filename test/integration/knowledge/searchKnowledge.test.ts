import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import { addDocuments, searchKnowledge, type SearchKnowledgeOptions } from '../../../src/knowledge/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import type { Json } from '../../../src/schema/text.ts'
import { apartFromTime, freshDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'

/** Chunks by their words and an embedding that points somewhere. */
const chunks = (...all: [content: string, embedding?: readonly number[]][]) => all.map(([content, embedding]) => ({ content, embedding }))

apartFromTime('searchKnowledge', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: 2, embeddingDistance: 'cosine' })
  })
  afterAll(() => test.close())
  const knows = async (...all: [content: string, embedding?: readonly number[]][]) => {
    scope = await tenant(test.db, `t-${made++}`)
    await addDocuments(scope, [{ source: 'wiki', title: 'page', chunks: chunks(...all).map((chunk) => ({ ...chunk, context: '' })) }])
  }
  const search = (options: SearchKnowledgeOptions) => searchKnowledge(scope, options).execute()
  const found = async (options: SearchKnowledgeOptions) => (await search(options)).map(({ content }) => content)

  describe('by words and by embedding', () => {
    const there: [string, readonly number[]][] = [
      ['payment slow', [0, 1]],
      ['payment', [1, 1]],
      ['disk full', [1, 0]],
      ['nothing of it', [-1, 0]],
    ]

    it('scores the best of each by both, and adds them by their weights', async () => {
      await knows(...there)
      const rows = await search({ text: 'payment slow', embedding: [1, 0], fusion: { embeddingWeight: 0.4 } })
      const [byWords, byBoth] = [
        rows.find(({ content }) => content === 'payment slow')!,
        rows.find(({ content }) => content === 'payment')!,
      ]
      // By words: 1 for the best, 0 for what has none. By embedding: cosines of 1, .71, 0 and -1, on 0..1.
      expect(byWords.score).toBeCloseTo(0.6 * 1 + 0.4 * 0.5, 6)
      expect(byBoth.score).toBeCloseTo(0.6 * (byBoth.lexical_score! / byWords.lexical_score!) + 0.4 * ((Math.SQRT1_2 + 1) / 2), 6)
      expect(rows.map(({ content, lexical_rank, vector_rank }) => [content, lexical_rank, vector_rank])).toEqual([
        ['payment slow', 1, 3],
        ['payment', 2, 2],
        ['disk full', null, 1],
        ['nothing of it', null, 4],
      ])
    })

    it('follows one of the two alone where the other counts nothing', async () => {
      await knows(...there)
      const both = { text: 'payment slow', embedding: [1, 0], limit: 1 }
      expect(await found({ ...both, fusion: { embeddingWeight: 1 } })).toEqual(['disk full'])
      expect(await found({ ...both, fusion: { embeddingWeight: 0 } })).toEqual(['payment slow'])
    })

    it('finds by words alone what has no embedding, and by embedding alone what has no such word', async () => {
      await knows(['payment slow'], ['disk full', [1, 0]])
      const rows = await search({ text: 'payment', embedding: [1, 0] })
      expect(rows.map(({ content, lexical_rank, vector_rank, distance }) => [content, lexical_rank, vector_rank, distance])).toEqual([
        ['payment slow', 1, null, null],
        ['disk full', null, 1, 0],
      ])
      expect(await found({ embedding: [1, 0] })).toEqual(['disk full'])
    })

    it('gives words no say where none is found', async () => {
      await knows(...there)
      const both = await search({ text: 'unheard', embedding: [1, 0] })
      expect(both.map(({ content }) => content)).toEqual(await found({ embedding: [1, 0] }))
      // Cosines of 1 to -1, on 0..1, times .3.
      expect(both.map(({ score }) => score)).toEqual([0.3, expect.closeTo(0.256, 3), 0.15, 0])
    })

    it('is narrowed in SQL as in TypeScript', async () => {
      await knows(...there)
      await expectNarrows(
        searchKnowledge(scope, { text: 'payment', embedding: [1, 0] }),
        (eb) => eb('score', '>', 0.3),
        ({ score }) => score > 0.3,
      )
    })

    it('refuses a model that is not the chunks’, by both names', async () => {
      await knows()
      await addDocuments(scope, [{ source: 's', title: 't', chunks: chunks(['disk', [1, 0]]) }], { model: 'one' })
      expect(await found({ embedding: [1, 0], model: 'one' })).toEqual(['disk'])
      await expect(search({ embedding: [1, 0], model: 'two' })).rejects.toThrow('is embedded by the model "one", the question by "two"')
      await expect(search({ text: 'disk', embedding: [1, 0], model: 'two' })).rejects.toThrow('"two"')
    })
  })

  it('takes a word that no chunk has for those most like it, each for less', async () => {
    await knows(['the payment provider'], ['the department'], ['the disk'])
    const [right] = await search({ text: 'payment' })
    const [first] = await search({ text: 'paymnet' })
    expect(first).toMatchObject({ content: 'the payment provider', matched_terms: ['payment'] })
    expect(first!.score).toBeLessThan(right!.score)
    // A word that is there is meant, and so is one too short to be told from others.
    expect(await found({ text: 'department' })).toEqual(['the department'])
    expect(await found({ text: 'dsk' })).toEqual([])
  })

  it('holds back what says the same as what stands above it', async () => {
    await knows(['payment slow a', [1, 0]], ['payment slow b', [1, 0.01]], ['payment c', [0, 1]])
    expect(await found({ text: 'payment slow', limit: 2 })).toEqual(['payment slow a', 'payment slow b'])
    expect(await found({ text: 'payment slow', limit: 2, diversity: 0.7 })).toEqual(['payment slow a', 'payment c'])
    const scores = (await search({ text: 'payment slow', diversity: 0.7 })).map(({ score }) => score)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    // By the terms they share, where there is no embedding.
    await knows(['payment slow x y'], ['payment slow x y'], ['payment'])
    expect((await search({ text: 'payment slow', limit: 2, diversity: 0.7 })).map(({ chunk_idx }) => chunk_idx)).toEqual([0, 2])
  })

  it('asks again with the words of the best answers, where that is wanted', async () => {
    const filler = Array.from({ length: 30 }, (_, at): [string] => [`filler ${at} page`])
    await knows(['payment provider stripe'], ['payment stripe timeout'], ['stripe timeout list'], ...filler)
    expect(await found({ text: 'payment' })).toHaveLength(2)
    const more = await search({ text: 'payment', feedback: { chunks: 2, terms: 3 } })
    expect(more.map(({ content }) => content)).toContain('stripe timeout list')
    expect(more.slice(0, 2).every(({ content }) => content.includes('payment'))).toBe(true)
    expect(await found({ text: 'nowhere', feedback: {} })).toEqual([])
  })

  it('knows the words of the language it was installed for', async () => {
    const german = await freshDatabase({ migrated: false })
    try {
      await migrateUp(german.db, { embeddingDimension: 2, knowledgeLanguage: 'german' })
      const there = await tenant(german.db, 't')
      await addDocuments(there, [{ source: 's', title: 't', content: 'Die Häuser brennen.', format: 'text' }])
      expect(await searchKnowledge(there, { text: 'Haus' }).execute()).toHaveLength(1)
    } finally {
      await german.close()
    }
  })

  describe('filters by labels', () => {
    const labelled = async (labels: Record<string, Json>) => {
      scope = await tenant(test.db, `t-${made++}`)
      await addDocuments(scope, [
        { source: 's', title: 'labelled', content: 'payment', labels },
        { source: 's', title: 'plain', content: 'payment' },
      ])
    }
    const titles = async (labels: Record<string, Json>) =>
      (await search({ text: 'payment', where: { labels } })).map(({ title }) => title).toSorted()

    it('as data, whatever their names and types', async () => {
      await labelled({ team: 'a', level: 1, ['__proto__']: 'x' })
      expect(await titles({ level: 1 })).toEqual(['labelled'])
      expect(await titles({ level: '1' })).toEqual([])
      expect(await titles(JSON.parse('{"__proto__":"x"}') as Record<string, Json>)).toEqual(['labelled'])
      expect(await titles(JSON.parse('{"team":"a","__proto__":"y"}') as Record<string, Json>)).toEqual([])
    })

    it('of which none is asked for find everything', async () => {
      await labelled({ team: 'a' })
      expect(await titles({})).toEqual(['labelled', 'plain'])
    })
  })

  describe('a word that is not there', () => {
    it('is looked for among the words that chunks say now', async () => {
      scope = await tenant(test.db, `t-${made++}`)
      const page = (title: string, content: string) => ({ source: 's', title, content })
      await addDocuments(scope, [page('A', 'authentikation autentikaton authentikatn'), page('B', 'authentication fails')])
      await addDocuments(scope, [page('A', 'written again')])
      expect(await found({ text: 'authentikaton' })).toEqual(['authentication fails'])
    })

    it('is not taken for another where it is a code or a number', async () => {
      await knows(['ORA00942 table does not exist'], ['something else'])
      expect(await search({ text: 'ora00943' })).toMatchObject([{ matched_terms: ['ora'] }])
    })
  })

  describe('asked again with the words of the best answers', () => {
    const pages: [string][] = [['apple pie'], ['apple cake'], ['pear pie'], ['plum']]

    it('scores as without where no word joins, or the question keeps all weight', async () => {
      await knows(...pages)
      const plain = await search({ text: 'apple pie' })
      expect(await search({ text: 'apple pie', feedback: { ownWeight: 0 } })).toEqual(plain)
      expect(await search({ text: 'aple pie', feedback: { ownWeight: 1 } })).toEqual(await search({ text: 'aple pie' }))
    })
  })
})
