import { describe, expect, it } from 'vitest'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = (embeddingDistance: 'l2' | 'cosine' | 'ip' = 'l2') =>
  unitScope({ installation: { embeddingDimension: 2, embeddingDistance } })
const compiled = (options: Parameters<typeof searchKnowledge>[1], distance?: 'l2' | 'cosine' | 'ip') => {
  const { sql, parameters } = searchKnowledge(scope(distance), options).compile()
  return { sql: sql.replaceAll(/\s+/g, ' '), parameters }
}

describe('searchKnowledge', () => {
  it('is one select over what was found by words', () => {
    const { sql, parameters } = compiled({ text: 'Why is the payment slow?', limit: 3 })
    expect(sql).toBe(
      'select "found".* from ( with question as materialized (' +
        'select * from "public"."knowledge_question"($1::int8, $2::text[], $3::int4) ' +
        '), lexical as materialized ( ' +
        'select answer.chunk_id, answer.score, answer.matched, (row_number() over (order by answer.score desc, answer.chunk_id))::int4 as rank ' +
        'from ( select answer.chunk_id, answer.score, answer.matched from question cross join lateral ' +
        '"public"."knowledge_lexical"( $4::int8, question.terms, question.powers, question.rare, question.mean_length, $5::int4, $6::jsonb ) as answer) as answer ' +
        '), nearest as materialized ( ' +
        'select answer.chunk_id, answer.distance, 1::float8 / (1::float8 + answer.distance) as score, ' +
        '(row_number() over (order by answer.distance, answer.chunk_id))::int4 as rank ' +
        'from (select null::int8 as chunk_id, null::float8 as distance where false) as answer ' +
        '), hit as materialized (' +
        'select candidate.chunk_id, candidate.score from (select leg.chunk_id, leg.score from "lexical" as leg) as candidate ' +
        'order by candidate.score desc, candidate.chunk_id limit $7) ' +
        'select chunk.chunk_id::text as item, hit.score, chunk.chunk_id, chunk.doc_id, chunk.chunk_idx, doc.source, doc.title, doc.url, ' +
        'chunk.context, chunk.content, ' +
        '"public"."knowledge_snippet"( $8::int8, chunk.chunk_id, chunk.content, lexical.matched, $9::int4, $10::text, $11::text ) as snippet, ' +
        'chunk.metadata, lexical.rank as lexical_rank, lexical.score as lexical_score, ' +
        "coalesce(lexical.matched, '{}'::text[]) as matched_terms, nearest.rank as vector_rank, nearest.score as vector_score, nearest.distance " +
        'from hit ' +
        'join "public"."kb_chunk" as chunk on chunk.tenant_id = $12::int8 and chunk.chunk_id = hit.chunk_id ' +
        'join lateral (select known.* from "public"."kb_doc" as known ' +
        'where known."doc_id" = "chunk"."doc_id" and (known.tenant_id = $13::int8) is true offset 0) as doc on true ' +
        'left join lexical on lexical.chunk_id = hit.chunk_id ' +
        'left join nearest on nearest.chunk_id = hit.chunk_id ' +
        'order by hit.score desc, hit.chunk_id ) as "found"',
    )
    expect(parameters).toEqual(['1', ['payment', 'slow'], 1, '1', 3, '{}', 3, '1', 240, '**', '**', '1', '1'])
  })

  it.each([
    ['l2' as const, '1::float8 / (1::float8 + answer.distance) as score'],
    ['cosine' as const, '1::float8 - answer.distance as score'],
    ['ip' as const, '-answer.distance as score'],
  ])('is one select over what is near, scored for %s', (distance, score) => {
    const { sql, parameters } = compiled({ embedding: [1, 0.5], model: 'm' }, distance)
    expect(sql).toContain(
      `select answer.chunk_id, answer.distance, ${score}, (row_number() over (order by answer.distance, answer.chunk_id))::int4 as rank ` +
        'from ( select answer.chunk_id, answer.distance from "public"."knowledge_nearest"($1::int8, $2::text::float4[], $3::text, $4::int4, $5::jsonb) as answer) as answer',
    )
    expect(parameters.slice(0, 5)).toEqual(['1', '{1,0.5}', 'm', 10, '{}'])
  })

  it('scores the best of both rankings by both, and fuses them', () => {
    const { sql, parameters } = compiled({ text: 'payment', embedding: [1, 2], limit: 5 })
    expect(sql).toContain('pool as materialized ( select best.chunk_id from (')
    expect(sql).toContain('"public"."knowledge_bm25"( $')
    expect(sql).toContain('"public"."knowledge_distances"($')
    expect(sql).toContain('select fused.item::int8 as chunk_id, fused.score from (select "fused".* from (')
    // Each gives its best 100, and words count 0.7.
    expect(parameters.filter((value) => value === 100)).toHaveLength(2)
    expect(parameters).toContain(0.7)
    expect(parameters).toContain(0.3)
  })

  it('asks again with the words of the best answers, and holds back what is alike, only where that is wanted', () => {
    const plain = compiled({ text: 'payment' }).sql
    expect(plain).not.toContain('knowledge_feedback')
    expect(plain).not.toContain('knowledge_diverse')
    const { sql, parameters } = compiled({ text: 'payment', feedback: { terms: 7 }, diversity: 0.25 })
    expect(sql).toContain('"public"."knowledge_feedback"(')
    expect(sql).toContain('"public"."knowledge_diverse"( $')
    for (const value of [10, 7, 0.8, 0.25]) expect(parameters).toContain(value)
  })

  it('hands every filter to the function, as data', () => {
    const where = {
      source: `'; --`,
      resource: 'urn:a',
      labels: { team: 'pay' },
      metadata: { resources: 'urn:b', page: 1 },
      addedDuring: { from: new Date(0), to: new Date(1000) },
    }
    const { parameters } = compiled({ embedding: [1, 2], limit: 3, where })
    expect(parameters[3]).toBe(3)
    expect(JSON.parse(String(parameters[4]))).toEqual({
      source: `'; --`,
      labels: { team: 'pay' },
      metadata: { resources: ['urn:b', 'urn:a'], page: 1 },
      from: '1970-01-01T00:00:00.000Z',
      to: '1970-01-01T00:00:01.000Z',
    })
  })

  it('refuses to search for nothing', () => {
    expect(() => searchKnowledge(scope(), {})).toThrow('text: must be given, or embedding')
  })
})
