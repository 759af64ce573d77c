import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { relatedKnowledge } from '../../../src/incident/relatedKnowledge.ts'
import { addDocuments } from '../../../src/knowledge/documents/addDocuments.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const [payment, checkout, cache] = ['urn:payment', 'urn:checkout', 'urn:cache']

/** A vector of the installation's dimension that differs from others in two numbers only. */
const vector = (x: number, y: number) => [x, y, ...Array<number>(1534).fill(0)]

onEveryLeg('relatedKnowledge', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 'related')
    await addDocuments(
      scope,
      [
        { title: 'slow provider', content: 'the provider answers late', resources: [payment, checkout], embedding: vector(1, 0) },
        { title: 'slow disk', content: 'the disk answers late', resources: [cache], embedding: vector(0, 1) },
        { title: 'slow network', content: 'the network answers late', resources: [], embedding: vector(0.9, 0.1) },
        { title: 'certificate', content: 'renew it', resources: [payment], embedding: vector(-1, 0) },
      ].map(({ title, content, resources, embedding }) => ({
        source: title === 'certificate' ? 'wiki' : 'runbooks',
        title,
        resources,
        chunks: [{ context: title, content, embedding }],
      })),
      { model: 'm' },
    )
    await addDocuments(await tenant(test.db, 'stranger'), [
      { source: 'runbooks', title: 'slow provider', content: 'of somebody else', resources: [payment] },
    ])
  })
  afterAll(() => test.close())

  const related = (options: Parameters<typeof relatedKnowledge>[1]) => relatedKnowledge(scope, options).execute()
  const titles = (rows: { title: string | null }[]) => rows.map(({ title }) => title)

  it('finds by the words of the title and of the patterns, one of which is enough', async () => {
    expect(titles(await related({ title: 'Why is it slow?' })).toSorted()).toEqual(['slow disk', 'slow network', 'slow provider'])
    const [first] = await related({ title: 'Why is it slow?', patterns: ['provider took <*> ms'] })
    expect(first).toMatchObject({ title: 'slow provider', lexical_rank: 1, vector_rank: null, about: [] })
    expect(first!.matched_terms.toSorted()).toEqual(['provid', 'slow'])
    expect(await related({ title: '???', patterns: ['<*>'] })).toEqual([])
  })

  it('ranks what is about a resource of the incident higher, and requires none', async () => {
    expect(titles(await related({ title: 'slow', resources: [cache] }))[0]).toBe('slow disk')
    const rows = await related({ title: 'slow', resources: ['urn:unknown', checkout, payment] })
    expect(rows).toHaveLength(3)
    expect(rows[0]).toMatchObject({ title: 'slow provider', about: [checkout, payment] })
    const plain = new Map((await searchKnowledge(scope, { text: 'slow' }).execute()).map(({ item, score }) => [item, score]))
    for (const { item, score, about } of rows) expect(score).toBeCloseTo(plain.get(item)! * (about.length > 0 ? 1.5 : 1), 12)
  })

  it('lets words that say more outdo a resource', async () => {
    expect(titles(await related({ title: 'slow provider', resources: [cache] }))[0]).toBe('slow provider')
  })

  it('finds by embedding too', async () => {
    const rows = await related({ title: 'slow', embedding: vector(1, 0), model: 'm', resources: [payment], limit: 2 })
    expect(rows).toMatchObject([
      { title: 'slow provider', vector_rank: 1, score: 1.5 },
      { title: 'slow network', vector_rank: 2 },
    ])
    await expect(related({ title: 'slow', embedding: vector(1, 0), model: 'another' })).rejects.toThrow('another')
  })

  it('takes the filters of a search', async () => {
    expect(titles(await related({ title: 'slow: renew it', resources: [payment], where: { source: 'wiki' } }))).toEqual(['certificate'])
    expect(titles(await related({ title: 'slow', where: { resource: cache } }))).toEqual(['slow disk'])
  })
})
