import { describe, expect, it } from 'vitest'
import { relatedKnowledge } from '../../../src/incident/relatedKnowledge.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope({ installation: { embeddingDimension: 2, embeddingDistance: 'l2' } })
const flat = (text: string) => text.replaceAll(/\s+/g, ' ')
/** With the parameters of another query numbered on: only what is around it is compared. */
const unnumbered = (text: string) => flat(text).replaceAll(/\$\d+/g, '$')

describe('relatedKnowledge', () => {
  it('is one select over what a search for its words finds', () => {
    const where = { source: 'runbooks' }
    const search = searchKnowledge(scope, { text: 'checkout is slow\nprovider took <*> ms', limit: 100, where }).compile()
    const related = relatedKnowledge(scope, {
      title: 'checkout is slow',
      patterns: ['provider took <*> ms'],
      resources: ['urn:b', 'urn:a', 'urn:b'],
      limit: 3,
      where,
    }).compile()
    expect(unnumbered(related.sql)).toBe(
      'select "related".* from ( select found.item, ' +
        'found.score * case when pg_catalog.cardinality(about.resources) = 0 then 1::float8 else $::float8 end as score, ' +
        'found.chunk_id, found.doc_id, found.chunk_idx, found.source, found.title, found.url, found.context, found.content, found.snippet, ' +
        'found.metadata, found.lexical_rank, found.lexical_score, found.matched_terms, found.vector_rank, found.vector_score, found.distance, ' +
        'about.resources as about ' +
        `from (${unnumbered(search.sql)}) as "found" ` +
        'cross join lateral ( select array( select given.urn ' +
        'from pg_catalog.unnest($::text[]) with ordinality as given (urn, place) ' +
        "where (found.metadata operator(pg_catalog.->) 'resources'::text) operator(pg_catalog.?) given.urn order by given.place ) as resources ) as about " +
        'order by score desc, found.chunk_id limit $ ) as "related"',
    )
    expect(related.parameters).toEqual([1.5, ...search.parameters, ['urn:b', 'urn:a'], 3])
    expect(search.parameters).toContainEqual(['checkout', 'slow', 'provid', 'took', 'ms'])
  })

  it('hands the embedding, its model and a limit above 100 on', () => {
    const { sql, parameters } = relatedKnowledge(scope, { title: 'slow', embedding: [1, 2], model: 'm', limit: 200 }).compile()
    expect(sql).toContain('"public"."knowledge_nearest"(')
    expect(parameters).toEqual(expect.arrayContaining(['{1,2}', 'm']))
    expect(parameters).not.toContain(100)
    expect(parameters.at(-1)).toBe(200)
  })

  it.each([
    [{ title: 1 }, 'title'],
    [{ title: 't', patterns: ['a', '\0'] }, 'patterns[1]'],
    [{ title: 't', resources: [''] }, 'resources[0]'],
    [{ title: 't', embedding: [1] }, 'embedding'],
    [{ title: 't', limit: 0 }, 'limit'],
    [{ title: 't', where: { sources: 'a' } }, 'sources'],
    [{ title: 't', text: 'a' }, 'text'],
  ])('names what is wrong in %j', (options, field) => {
    expect(() => relatedKnowledge(scope, options as Parameters<typeof relatedKnowledge>[1])).toThrow(field)
  })
})
