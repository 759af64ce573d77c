import { sql } from 'kysely'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { questionTerms } from '../../../src/knowledge/questionTerms.ts'
import { terms, termsVersion } from '../../../src/knowledge/terms.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'

/** A chunk by its words alone, as the table of terms has it. */
async function write(scope: Scope, texts: readonly string[], source = 'wiki'): Promise<void> {
  const chunks = texts.map((content, at) => ({
    at,
    content,
    length: terms(content).reduce((sum, { frequency }) => sum + frequency, 0),
    terms: terms(content).map(({ term, frequency, at: position, width }) => ({ term, frequency, position, width })),
  }))
  await sql`
    with doc as (
      insert into ${scope.id('kb_doc')} (tenant_id, source, title) values (${scope.tenantId}::int8, ${source}, 'title') returning doc_id
    ), given as (
      select row.*, doc.doc_id
      from jsonb_to_recordset(${JSON.stringify(chunks)}::jsonb) as row (at int4, content text, length int4, terms jsonb) cross join doc
    ), chunk as (
      insert into ${scope.id('kb_chunk')} (tenant_id, doc_id, chunk_idx, content, length)
      select ${scope.tenantId}::int8, doc_id, at, content, length from given order by at
      returning chunk_id, chunk_idx
    )
    insert into ${scope.id('kb_term')} (tenant_id, chunk_id, frequency, length, position, width, term)
    select ${scope.tenantId}::int8, chunk.chunk_id, term.frequency, given.length, term.position, term.width, term.term
    from given
    join chunk on chunk.chunk_idx = given.at
    cross join lateral jsonb_to_recordset(given.terms) as term (term text, frequency int4, position int4, width int4)
  `.execute(scope.db)
}

const [k1, b] = [1.2, 0.6] as const

/** BM25 as it is defined, one chunk after the other; the best first. */
function bm25(texts: readonly string[], question: string): { content: string; score: number }[] {
  const chunks = texts.map((content) => ({ content, terms: new Map(terms(content).map(({ term, frequency }) => [term, frequency])) }))
  const lengthOf = (chunk: (typeof chunks)[number]) => [...chunk.terms.values()].reduce((sum, frequency) => sum + frequency, 0)
  const mean = chunks.reduce((sum, chunk) => sum + lengthOf(chunk), 0) / chunks.length
  return chunks
    .map((chunk) => ({
      content: chunk.content,
      score: questionTerms(question).reduce((sum, term) => {
        const frequency = chunk.terms.get(term) ?? 0
        const df = chunks.filter((other) => other.terms.has(term)).length
        const idf = Math.log(1 + (chunks.length - df + 0.5) / (df + 0.5))
        return sum + (idf * frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * lengthOf(chunk)) / Math.max(mean, 1)))
      }, 0),
    }))
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
}

apartFromTime('searchKnowledge by words', () => {
  let test: TestDatabase
  let scope: Scope
  let made = 0
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  const another = async () => (scope = await tenant(test.db, `t-${made++}`))
  const search = (text: string, options = {}) => searchKnowledge(scope, { text, ...options }).execute()

  it('scores by BM25, for any chunks and any question', async () => {
    const word = fc.constantFrom('pay', 'slow', 'queue', 'the', 'a', 'disk', '支付', 'NullPointerException', 'x9')
    const text = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(' '))
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 25 }), text, async (texts, question) => {
        await another()
        await write(scope, texts)
        const expected = bm25(texts, question)
        const rows = await search(question, { limit: 1000 })
        expect(rows).toHaveLength(expected.length)
        for (const [at, row] of rows.entries()) {
          expect(row.score).toBeCloseTo(expected[at]!.score, 10)
          expect(row.score).toBeCloseTo(expected.find(({ content }) => content === row.content)!.score, 10)
          expect(row.lexical_rank).toBe(at + 1)
        }
      }),
      { numRuns: 25 },
    )
  })

  it('says why: which terms match, the most telling first, and where', async () => {
    await another()
    await write(scope, ['The payment provider was slow; payments failed.', 'The disk is full.', 'the the the', 'nothing of it'])
    const [first, ...others] = await search('Why did the payment on this disk fail?')
    expect(first).toMatchObject({
      content: 'The payment provider was slow; payments failed.',
      matched_terms: ['payment', 'fail'],
      snippet: 'The **payment** provider was slow; payments **failed**.',
      lexical_rank: 1,
      vector_rank: null,
      vector_score: null,
      distance: null,
    })
    expect(others.map(({ content, matched_terms }) => [content, matched_terms])).toEqual([['The disk is full.', ['disk']]])
    const [marked] = await search('payment', { snippet: { mark: ['<b>', '</b>'], characters: 40 } })
    expect(marked!.snippet).toBe('The <b>payment</b> provider was slow; payments…')
  })

  it('shows the part of a long chunk that says most, in whole characters', async () => {
    await another()
    const filler = '🦊 filler '.repeat(100)
    await write(scope, [`slow ${filler} payment provider slow ${filler}`, `${filler}支付超时${filler}`])
    const [first] = await search('payment provider')
    expect(first!.snippet).toContain('**payment** **provider** slow')
    expect(first!.snippet.startsWith('…')).toBe(true)
    expect(first!.snippet.endsWith('…')).toBe(true)
    const [chinese] = await search('支付超时')
    expect(chinese!.snippet).toContain('**支付超时**')
  })

  it.each(['&', '|', "'", '"', ':*', '!', '<->', "x' | y:* & !z", '\\', '%', '()', '   ', '。', '\u{0}'.length > 1 ? '' : '-'])(
    'takes %j for text',
    async (text) => {
      await another()
      await write(scope, ['one two'])
      expect(await search(text)).toEqual([])
      expect(await search(`${text} two ${text}`)).toHaveLength(1)
    },
  )

  it('finds as many as there are under a filter, however rare what passes it', async () => {
    await another()
    await write(scope, Array<string>(300).fill('payment is slow'))
    await write(scope, ['slow again', 'slow', 'payment'], 'runbooks')
    const rows = await search('slow payment', { limit: 3, where: { source: 'runbooks' } })
    expect(rows.map(({ source }) => source)).toEqual(['runbooks', 'runbooks', 'runbooks'])
    expect(await search('slow payment', { where: { source: 'none' } })).toEqual([])
  })

  it('counts the words of the tenant alone', async () => {
    const mine = await another()
    await write(mine, ['payment slow', 'payment'])
    const before = await search('payment slow')
    const theirs = await another()
    await write(theirs, Array<string>(50).fill('slow'))
    scope = mine
    expect(await search('payment slow')).toEqual(before)
  })

  it('orders equal scores by id, from call to call', async () => {
    await another()
    await write(scope, Array<string>(40).fill('the same'))
    const [first, second] = [await search('same', { limit: 10 }), await search('same', { limit: 10 })]
    expect(first.map(({ chunk_idx }) => chunk_idx)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(second).toEqual(first)
  })

  it('refuses terms of another version, by name', async () => {
    await another()
    await write(scope, ['one'])
    await sql`insert into ${scope.id('kb_corpus')} (tenant_id, terms_version) values (${scope.tenantId}::int8, ${termsVersion + 1})`.execute(
      scope.db,
    )
    await expect(search('one')).rejects.toThrow(`are of version ${termsVersion + 1}, this library's are of version ${termsVersion}`)
  })

  it('ranks as if it had counted, where there are more than it counts', async () => {
    await another()
    await sql`
      insert into ${scope.id('kb_doc')} (tenant_id, source, title) values (${scope.tenantId}::int8, 's', 't')
    `.execute(scope.db)
    // Every chunk holds "common", half of them "half", 40 "rare", and 10 of these "half" too.
    await sql`
      with chunk as (
        insert into ${scope.id('kb_chunk')} (tenant_id, doc_id, chunk_idx, content, length)
        select ${scope.tenantId}::int8, (select max(doc_id) from ${scope.id('kb_doc')}), n, 'c' || n, 4 from generate_series(1, 12000) as n
        returning chunk_id, chunk_idx
      )
      insert into ${scope.id('kb_term')} (tenant_id, chunk_id, frequency, length, term)
      select ${scope.tenantId}::int8, chunk_id, 1, 4, term
      from chunk
      cross join lateral unnest(array['common', case when chunk_idx % 2 = 0 then 'half' end, case when chunk_idx % 300 = 0 or chunk_idx < 0 then 'rare' end]) as term
      where term is not null
    `.execute(scope.db)
    const weights = await sql<{ term: string; df: number; n: number }>`
      select term, df, n from ${scope.id('knowledge_weights')}(${scope.tenantId}::int8, array['common', 'half', 'rare', 'none'], array[1, 1, 1, 1]) order by term
    `.execute(scope.db)
    const [common, half, rare, ...more] = weights.rows
    expect(more).toEqual([])
    // A sixteenth of 12,000: give or take four standard deviations.
    expect(Math.abs(common!.n / 12_000 - 1)).toBeLessThan(0.15)
    expect(common!.df).toBe(common!.n)
    expect(Math.abs(half!.df / 6000 - 1)).toBeLessThan(0.21)
    expect(rare!.df).toBe(40)
    const rows = await search('common half rare', { limit: 1000 })
    expect(rows).toHaveLength(1000)
    expect(rows.slice(0, 40).every(({ matched_terms }) => matched_terms.includes('rare'))).toBe(true)
    expect(rows.slice(40).every(({ matched_terms }) => matched_terms.join(' ') === 'half common')).toBe(true)
  })
})
