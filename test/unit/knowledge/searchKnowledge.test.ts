import { expect, it } from 'vitest'
import { searchKnowledge } from '../../../src/knowledge/searchKnowledge.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = (embeddingDistance: 'l2' | 'cosine' | 'ip' = 'l2') =>
  unitScope({ installation: { embeddingDimension: 2, embeddingDistance } })
const sqlWithScore = (score: string) =>
  'select "found".* from (' +
  `select chunk.chunk_id::text as "item", ${score} as "score", "chunk"."chunk_id" as "chunk_id", "chunk"."doc_id" as "doc_id", ` +
  '"chunk"."chunk_idx" as "chunk_idx", "doc"."source" as "source", "doc"."title" as "title", "doc"."url" as "url", ' +
  '"chunk"."content" as "content", chunk.metadata as "metadata", "nearest"."distance" as "distance" ' +
  'from "public"."knowledge_nearest"($1::int8, $2::text::float4[], $3::int4, $4::jsonb) as "nearest" ' +
  'inner join "public"."kb_chunk" as "chunk" on "chunk"."chunk_id" = "nearest"."chunk_id" ' +
  'inner join "public"."kb_doc" as "doc" on "doc"."tenant_id" = "chunk"."tenant_id" and "doc"."doc_id" = "chunk"."doc_id" ' +
  'where "chunk"."tenant_id" = $5 order by "nearest"."distance", "nearest"."chunk_id"' +
  ') as "found"'

it.each([
  ['l2' as const, '1::float8 / (1::float8 + nearest.distance)'],
  ['cosine' as const, '1::float8 - nearest.distance'],
  ['ip' as const, '-nearest.distance'],
])('is one select over what the installed function found, scored for %s', (distance, score) => {
  const { sql, parameters } = searchKnowledge(scope(distance), { embedding: [1, 0.5] }).compile()
  expect(sql).toBe(sqlWithScore(score))
  expect(parameters).toEqual(['1', '{1,0.5}', 10, '{}', '1'])
})

it('hands every filter to the function, as data', () => {
  const where = {
    source: `'; --`,
    resource: 'urn:a',
    metadata: { resources: 'urn:b', page: 1 },
    addedDuring: { from: new Date(0), to: new Date(1000) },
  }
  const { parameters } = searchKnowledge(scope(), { embedding: [1, 2], limit: 3, where }).compile()
  expect(parameters[2]).toBe(3)
  expect(JSON.parse(String(parameters[3]))).toEqual({
    source: `'; --`,
    metadata: { resources: ['urn:b', 'urn:a'], page: 1 },
    from: '1970-01-01T00:00:00.000Z',
    to: '1970-01-01T00:00:01.000Z',
  })
})
