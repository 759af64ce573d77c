import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Installation } from '../../database/installation/installation.ts'
import type { Scope } from '../../database/scope.ts'
import { rowOf } from '../../database/sql/ofTenant.ts'
import { fuseRankings, type FusionMethod } from '../../ranking/fuseRankings.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedText, storableText, type Json } from '../../schema/text.ts'
import { arrayLiteral, embeddingOf } from '../embedding/embedding.ts'
import { questionTerms } from '../questionTerms.ts'
import { languageOf, termsVersion } from '../terms.ts'
import { filterDocument, knowledgeFilters, type KnowledgeFilters } from './knowledgeFilters.ts'

export interface SearchKnowledgeOptions {
  /** The words to search for. */
  text?: string
  /** The embedding to search for, from the same model as the chunks. */
  embedding?: readonly number[]
  /** The name of the model that made it; refused if it is not the chunks' model. */
  model?: string
  /** How many chunks, 1 to 1,000. Default: 10. */
  limit?: number
  /**
   * Limits which chunks can be found. A `where` on the returned query filters the found chunks
   * instead, and so gives fewer than `limit`.
   */
  where?: KnowledgeFilters
  /** How the two rankings are combined if both `text` and `embedding` are given. */
  fusion?: {
    /** Default: `min-max`. */
    method?: FusionMethod
    /**
     * The weight of the ranking by embedding, 0..1; the ranking by words has the rest. Default:
     * 0.3.
     */
    embeddingWeight?: number
  }
  /**
   * Searches a second time, with the most telling words of the best answers added: pseudo-relevance
   * feedback, RM3. It finds more if many chunks answer the question, and makes results worse if
   * only one does. Default: no second search.
   */
  feedback?: {
    /** How many of the best chunks give terms, 1 to 100. Default: 10. */
    chunks?: number
    /** The most terms added to the question, 1 to 100. Default: 10. */
    terms?: number
    /** The share of the weight for the question's own terms, 0..1. Default: 0.8. */
    ownWeight?: number
  }
  /**
   * How much the score of a chunk is lowered for repeating one above it, 0 to 1: maximal marginal
   * relevance. Default: 0, not at all.
   */
  diversity?: number
  /** How `snippet` shows the words found. */
  snippet?: {
    /** The most characters of the chunk, 40 to 10,000. Default: 240. */
    characters?: number
    /** The marks before and after a word that was found. Default: `['**', '**']`. */
    mark?: readonly [string, string]
  }
}

/** A chunk of a document, and why it was found. */
export interface FoundChunk {
  /** The chunk's id again, as the item of a ranking. */
  item: string
  /** Higher is better. See {@link searchKnowledge}. */
  score: number
  chunk_id: string
  doc_id: string
  /** The position of the chunk in its document, from 0. */
  chunk_idx: number
  /** The source of the document; null if it has none. */
  source: string | null
  /** The title of the document; null if it has none. */
  title: string | null
  /** The URL of the document; null if it has none. */
  url: string | null
  /** The title and headings above the chunk. */
  context: string
  /** The text of the chunk. */
  content: string
  /** The part of the content with most of what was asked, the words found marked. */
  snippet: string
  /** The metadata of the chunk, including its document's. */
  metadata: Json
  /** The rank in the search by words, from 1; null if it is not among those found. */
  lexical_rank: number | null
  /** BM25; null if it was not found by words. */
  lexical_score: number | null
  /** The terms of the question in the chunk, the one that adds most to the score first. */
  matched_terms: string[]
  /** The rank in the search by embedding, from 1; null if it is not among those found. */
  vector_rank: number | null
  /** As in {@link searchKnowledge}; null if it was not found by embedding. */
  vector_score: number | null
  /** As pgvector measures it; null if it was not found by embedding. */
  distance: number | null
}

/** The most chunks of one search. */
export const mostChunks = 1000

/** The options of a search, also used by functions that search and do more. */
export const searchFields = (installation: Installation) => ({
  text: storableText.optional(),
  embedding: embeddingOf(installation).optional(),
  model: boundedText(255).optional(),
  limit: z.int().min(1).max(mostChunks).default(10),
  where: knowledgeFilters.default({}),
  fusion: z
    .strictObject({
      method: z.enum(['min-max', 'reciprocal-rank', 'distribution']).default('min-max'),
      embeddingWeight: z.number().min(0).max(1).default(0.3),
    })
    .prefault({}),
  feedback: z
    .strictObject({
      chunks: z.int().min(1).max(100).default(10),
      terms: z.int().min(1).max(100).default(10),
      ownWeight: z.number().min(0).max(1).default(0.8),
    })
    .optional(),
  diversity: z.number().min(0).max(1).default(0),
  snippet: z
    .strictObject({
      characters: z.int().min(40).max(10_000).default(240),
      mark: z.tuple([storableText, storableText]).default(['**', '**']),
    })
    .prefault({}),
})

const searchKnowledgeOptions = (installation: Installation) =>
  z.strictObject(searchFields(installation)).refine(({ text, embedding }) => text !== undefined || embedding !== undefined, {
    message: 'must be given, or embedding',
    path: ['text'],
  })

/**
 * The chunks of knowledge that answer a question, best first: a ranking frame.
 *
 * | given | found | `score` |
 * |---|---|---|
 * | `text` | chunks with any of its terms, by BM25 | BM25, which has no upper bound |
 * | `embedding` | the nearest chunks | `l2`: 1 / (1 + distance); `cosine`: cosine similarity; `ip`: the inner product |
 * | both | the best of each, fused | 0..1 (`reciprocal-rank`: up to .017) |
 * | with `feedback` | | the part by words is BM25 of the longer question |
 * | with `diversity` | | scaled to 0..1, then lowered for repetition; can be negative |
 *
 * Compare scores within one answer only, not between different options.
 *
 * By words: a question is cut into the same terms as the chunks, without the stop words of English.
 * There are no operators: every character is data. A chunk needs one of the terms, not all; the
 * fewer chunks have a term, the more it weighs. A term that no chunk has is replaced by the three
 * most similar words of the tenant.
 *
 * By embedding: there are `limit` rows if the tenant has that many embedded chunks that pass the
 * filters. The answer is exact for a tenant of up to 5,000 chunks, and if few chunks pass the
 * filters (at least 1,000; the bound rises with the number of chunks). Otherwise the HNSW index
 * answers (iterative scan), and may miss one in a hundred near neighbours.
 *
 * Equal scores are ordered by id. The search is one statement and changes no setting of the
 * connection.
 *
 * @throws InvalidInputError if neither `text` nor `embedding` is given, the embedding is not finite
 * or not of the installation's dimension, or an option is invalid; names the field. When it is
 * executed, the server refuses a model that is not the chunks', and terms of another version of
 * this library.
 * @example
 * const text = 'payment provider times out'
 * const [embedding] = await embed([text])
 * const found = searchKnowledge(scope, { text, embedding, limit: 5, where: { source: 'runbooks' } })
 * await found.where('score', '>', 0.5).execute()
 *
 * // select "found".* from (
 * //   with lexical as materialized (select ... from public.knowledge_lexical($1, $2, ...)),
 * //   nearest as materialized (select ... from public.knowledge_nearest($3, $4, ...)), ...
 * //   select hit.chunk_id::text as item, hit.score, chunk.content, ... order by hit.score desc, hit.chunk_id
 * // ) as "found" where "score" > $5
 *
 * @see Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, 2009
 * @see Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using
 * Hierarchical Navigable Small World graphs, 2018
 */
export function searchKnowledge(scope: Scope, options: SearchKnowledgeOptions): Finished<FoundChunk, 'found'> {
  const given = parseOptions(searchKnowledgeOptions(scope.installation), options)
  const { limit, diversity, snippet } = given
  const tenant = sql`${scope.tenantId}::int8`
  const legs = legsOf(scope, given)
  const hits =
    diversity === 0
      ? sql`select candidate.chunk_id, candidate.score from (${legs.candidates}) as candidate order by candidate.score desc, candidate.chunk_id limit ${limit}`
      : sql`
        select diverse.chunk_id, diverse.score
        from (select pg_catalog.array_agg(scaled.chunk_id) as ids, pg_catalog.array_agg(scaled.score) as scores from (${scaled(legs.candidates)}) as scaled) as candidate
        cross join lateral ${scope.id('knowledge_diverse')}(
          ${tenant}, candidate.ids, candidate.scores, ${limit}::int4, ${diversity}::float8
        ) as diverse`
  const found = sql<FoundChunk>`(
    with ${legs.ctes}, hit as materialized (${hits})
    select
      chunk.chunk_id::text as item,
      hit.score,
      chunk.chunk_id,
      chunk.doc_id,
      chunk.chunk_idx,
      doc.source,
      doc.title,
      doc.url,
      chunk.context,
      chunk.content,
      ${scope.id('knowledge_snippet')}(
        ${tenant}, chunk.chunk_id, chunk.content, lexical.matched,
        ${snippet.characters}::int4, ${snippet.mark[0]}::text, ${snippet.mark[1]}::text
      ) as snippet,
      chunk.metadata,
      lexical.rank as lexical_rank,
      lexical.score as lexical_score,
      coalesce(lexical.matched, '{}'::text[]) as matched_terms,
      nearest.rank as vector_rank,
      nearest.score as vector_score,
      nearest.distance
    from hit
    join ${scope.id('kb_chunk')} as chunk on chunk.tenant_id = ${tenant} and chunk.chunk_id = hit.chunk_id
    join lateral ${rowOf(scope, 'kb_doc', 'doc_id', 'chunk.doc_id')} as doc on true
    left join lexical on lexical.chunk_id = hit.chunk_id
    left join nearest on nearest.chunk_id = hit.chunk_id
    order by hit.score desc, hit.chunk_id
  )`
  return finished(scope, found, 'found')
}

type Given = z.output<ReturnType<typeof searchKnowledgeOptions>>

/**
 * The two rankings as the CTEs `lexical` and `nearest`, and the query of the candidates with their
 * scores.
 *
 * With both rankings, every candidate is scored in both: a chunk that one ranking cut off is not
 * treated as bad in it.
 */
function legsOf(scope: Scope, given: Given): { ctes: RawBuilder<unknown>; candidates: RawBuilder<unknown> } {
  const { text, embedding, model, limit, where, fusion, feedback, diversity } = given
  const tenant = sql`${scope.tenantId}::int8`
  const filters = sql`${JSON.stringify(filterDocument(where))}::jsonb`
  const both = text !== undefined && embedding !== undefined
  const pool = sql`${both || diversity > 0 ? Math.max(100, limit) : limit}::int4`
  const asked = text === undefined ? [] : questionTerms(text, { language: languageOf(scope.installation) })
  const question = sql`select * from ${scope.id('knowledge_question')}(${tenant}, ${asked}::text[], ${termsVersion}::int4)`
  const expanded =
    feedback === undefined
      ? question
      : sql`
      select more.*
      from (${question}) as question
      cross join lateral ${scope.id('knowledge_feedback')}(
        ${tenant}, question.terms, question.powers, question.rare, question.mean_length, ${filters},
        ${feedback.chunks}::int4, ${feedback.terms}::int4, ${feedback.ownWeight}::float8
      ) as more`
  const byWords = sql`
      select answer.chunk_id, answer.score, answer.matched
      from question
      cross join lateral ${scope.id('knowledge_lexical')}(
        ${tenant}, question.terms, question.powers, question.rare, question.mean_length, ${pool}, ${filters}
      ) as answer`
  const vector = embedding === undefined ? null : sql`${arrayLiteral(embedding)}::text::float4[]`
  const byEmbedding = sql`
      select answer.chunk_id, answer.distance
      from ${scope.id('knowledge_nearest')}(${tenant}, ${vector}, ${model ?? null}::text, ${pool}, ${filters}) as answer`
  const lexical = (answers: RawBuilder<unknown>) => sql`
      select answer.chunk_id, answer.score, answer.matched,
        (row_number() over (order by answer.score desc, answer.chunk_id))::int4 as rank
      from (${answers}) as answer`
  const nearest = (answers: RawBuilder<unknown>) => sql`
      select answer.chunk_id, answer.distance, ${vectorScore(scope)} as score,
        (row_number() over (order by answer.distance, answer.chunk_id))::int4 as rank
      from (${answers}) as answer`
  if (!both) {
    return {
      ctes: sql`question as materialized (${text === undefined ? noQuestion : expanded}
    ), lexical as materialized (${lexical(text === undefined ? noWords : byWords)}
    ), nearest as materialized (${nearest(embedding === undefined ? noEmbedding : byEmbedding)}
    )`,
      candidates: sql`select leg.chunk_id, leg.score from ${sql.id(text === undefined ? 'nearest' : 'lexical')} as leg`,
    }
  }
  const rankings = [
    sql`(
        -- Where no word was found at all, words have no say.
        select pool.chunk_id::text as item, case when exists (select from lexical) then coalesce(lexical.score, 0::float8) end as score
        from pool left join lexical on lexical.chunk_id = pool.chunk_id
      )`,
    sql`(select nearest.chunk_id::text as item, nearest.score from nearest)`,
  ].map((ranking) => finished(scope, sql<{ item: string; score: number }>`${ranking}`, 'leg'))
  const { method, embeddingWeight } = fusion
  const fused = fuseRankings(scope, rankings, { method, weights: [1 - embeddingWeight, embeddingWeight] })
  return {
    ctes: sql`question as materialized (${expanded}
    ), pool as materialized (
      select best.chunk_id from (${byWords}) as best
      union
      select best.chunk_id from (${byEmbedding}) as best
    ), lexical as materialized (${lexical(sql`
      select answer.chunk_id, answer.score, answer.matched
      from question
      cross join lateral ${scope.id('knowledge_bm25')}(
        ${tenant}, array(select pool.chunk_id from pool), question.terms, question.powers, question.mean_length
      ) as answer`)}
    ), nearest as materialized (${nearest(sql`
      select answer.chunk_id, answer.distance
      from ${scope.id('knowledge_distances')}(${tenant}, array(select pool.chunk_id from pool), ${vector}) as answer`)}
    )`,
    candidates: sql`select fused.item::int8 as chunk_id, fused.score from ${fused.as('fused')}`,
  }
}

const noQuestion = sql`select where false`
const noWords = sql`select null::int8 as chunk_id, null::float8 as score, null::text[] as matched where false`
const noEmbedding = sql`select null::int8 as chunk_id, null::float8 as distance where false`

/** Scores scaled to 0..1, the best 1. */
const scaled = (candidates: RawBuilder<unknown>) => sql`
  select candidate.chunk_id,
    coalesce(
      (candidate.score - min(candidate.score) over ()) / nullif(max(candidate.score) over () - min(candidate.score) over (), 0::float8),
      1::float8
    ) as score
  from (${candidates}) as candidate`

function vectorScore({ installation: { embeddingDistance } }: Scope): RawBuilder<number> {
  if (embeddingDistance === 'l2') return sql`1::float8 / (1::float8 + answer.distance)`
  return embeddingDistance === 'cosine' ? sql`1::float8 - answer.distance` : sql`-answer.distance`
}
