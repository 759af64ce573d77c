import { sql } from 'kysely'
import { z } from 'zod'
import { timeRange, type TimeRange } from '../database/range.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Installation } from '../database/installation/installation.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'
import { arrayLiteral, embeddingOf } from './embedding/embedding.ts'

export interface KnowledgeFilters {
  /** Only documents of this source. */
  source?: string
  /** Only what is about this resource: whose `resources` hold the URN. */
  resource?: string
  /** Only what has these metadata, in the chunk or its document (containment, as `jsonb @>`). */
  metadata?: Record<string, Json>
  /** Only documents added in this range. */
  addedDuring?: TimeRange
}

export interface SearchKnowledgeOptions {
  /** What is searched for, embedded by the same model as the chunks. */
  embedding: readonly number[]
  /** How many chunks, 1 to 1,000. Default: 10. */
  limit?: number
  /**
   * What may be found at all. A `where` on the query that is returned filters what was found, and
   * so gives fewer than `limit`.
   */
  where?: KnowledgeFilters
}

/** A chunk of a document, and how near it is. */
export interface FoundChunk {
  /** The chunk's id again: what was found is a ranking. */
  item: string
  /** Higher is nearer. See {@link searchKnowledge}. */
  score: number
  chunk_id: string
  doc_id: string
  /** Which piece of the document, from 0. */
  chunk_idx: number
  /** Where the document comes from; null where nobody said. */
  source: string | null
  /** The document's; null where it has none. */
  title: string | null
  /** The document's; null where it has none. */
  url: string | null
  /** The text of the chunk. */
  content: string
  /** The chunk's, its document's included. */
  metadata: Json
  /** As pgvector measures it. See {@link searchKnowledge}. */
  distance: number
}

const searchKnowledgeOptions = (installation: Installation) =>
  z.strictObject({
    embedding: embeddingOf(installation),
    limit: z.int().min(1).max(1000).default(10),
    where: z
      .strictObject({
        source: boundedText(255).optional(),
        resource: urnText.optional(),
        metadata: storableObject.optional(),
        addedDuring: timeRange.optional(),
      })
      .default({}),
  })

/**
 * The chunks of knowledge nearest to an embedding, nearest first: a ranking frame.
 *
 * The installation's distance decides what the score is:
 *
 * | distance | `distance` | `score` |
 * |---|---|---|
 * | `l2` | Euclidean | 1 / (1 + distance), 0..1 |
 * | `cosine` | 1 - cosine similarity | cosine similarity, -1..1 |
 * | `ip` | the inner product, negated | the inner product |
 *
 * There are `limit` rows whenever the tenant has as many chunks that pass the filters. Where at
 * most 5,000 do, every one is compared and the answer is exact, ties in the order of their ids.
 * Where more do, the HNSW index answers (iterative scan in strict order, `hnsw.ef_search` at least
 * 100), and a near neighbour may be missed. All of it happens inside the installed function
 * `knowledge_nearest`, with settings of its own; the query stays one statement and nothing needs to
 * be set on the connection.
 *
 * @throws InvalidInputError if the embedding has another dimension than the installation's or is
 * not finite, or `limit` or a filter is invalid; names the field.
 * @example
 * const near = searchKnowledge(scope, { embedding: await embed('payment is slow'), limit: 5, where: { source: 'runbooks' } })
 * await near.where('score', '>', 0.5).execute()
 *
 * // select "found".* from (
 * //   select "chunk"."chunk_id"::text as "item", ... from "public"."knowledge_nearest"($1::int8,
 * //     $2::float4[], $3::int4, $4::jsonb) as "nearest"
 * //   inner join "public"."kb_chunk" as "chunk" on ... inner join "public"."kb_doc" as "doc" on
 * //     ...
 * //   where "chunk"."tenant_id" = $5 order by "nearest"."distance", "nearest"."chunk_id"
 * // ) as "found" where "score" > $6
 *
 * @see Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using
 * Hierarchical Navigable Small World graphs, 2018
 */
export function searchKnowledge(scope: Scope, options: SearchKnowledgeOptions): Finished<FoundChunk, 'found'> {
  const { embedding, limit, where } = parseOptions(searchKnowledgeOptions(scope.installation), options)
  const nearest = sql<{
    chunk_id: string
    distance: number
  }>`${scope.id('knowledge_nearest')}(${scope.tenantId}::int8, ${arrayLiteral(embedding)}::text::float4[], ${limit}::int4, ${JSON.stringify(filterOf(where))}::jsonb)`
  const found = scope.db
    .selectFrom(nearest.as('nearest'))
    .innerJoin(scope.table('kb_chunk', 'chunk'), 'chunk.chunk_id', 'nearest.chunk_id')
    .innerJoin(scope.table('kb_doc', 'doc'), (join) =>
      join.onRef('doc.tenant_id', '=', 'chunk.tenant_id').onRef('doc.doc_id', '=', 'chunk.doc_id'),
    )
    .where('chunk.tenant_id', '=', scope.tenantId)
    .select([
      sql<string>`chunk.chunk_id::text`.as('item'),
      score(scope).as('score'),
      'chunk.chunk_id as chunk_id',
      'chunk.doc_id as doc_id',
      'chunk.chunk_idx as chunk_idx',
      'doc.source as source',
      'doc.title as title',
      'doc.url as url',
      'chunk.content as content',
      sql<Json>`chunk.metadata`.as('metadata'),
      'nearest.distance as distance',
    ])
    .orderBy('nearest.distance')
    .orderBy('nearest.chunk_id')
  return finished(scope, found, 'found')
}

/** The filters as `knowledge_nearest` reads them. */
function filterOf({ source, resource, metadata, addedDuring: range }: KnowledgeFilters): Record<string, Json> {
  return {
    ...(source !== undefined && { source }),
    ...((resource !== undefined || metadata !== undefined) && {
      metadata: resource === undefined ? { ...metadata } : withResource({ ...metadata }, resource),
    }),
    ...(range && { from: range.from.toISOString(), to: range.to.toISOString() }),
  }
}

/**
 * Containment of an array asks for each of its elements, so the URN joins the ones that are asked
 * for already.
 */
function withResource(metadata: Record<string, Json>, resource: string): Record<string, Json> {
  const { resources = [] } = metadata
  return { ...metadata, resources: [...(Array.isArray(resources) ? resources : [resources]), resource] }
}

function score({ installation: { embeddingDistance } }: Scope) {
  if (embeddingDistance === 'l2') return sql<number>`1::float8 / (1::float8 + nearest.distance)`
  return embeddingDistance === 'cosine' ? sql<number>`1::float8 - nearest.distance` : sql<number>`-nearest.distance`
}
