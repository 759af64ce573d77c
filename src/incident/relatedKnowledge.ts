import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Installation } from '../database/installation/installation.ts'
import type { Scope } from '../database/scope.ts'
import { embeddingOf } from '../knowledge/embedding/embedding.ts'
import { knowledgeFilters, type KnowledgeFilters } from '../knowledge/search/knowledgeFilters.ts'
import { searchKnowledge, type FoundChunk } from '../knowledge/search/searchKnowledge.ts'
import { parseOptions } from '../schema/parse.ts'
import { boundedText, storableText, urnText } from '../schema/text.ts'

export interface RelatedKnowledgeOptions {
  /** The title of the incident. */
  title: string
  /** Its log patterns, as text, such as the `pattern` of {@link newPatterns}. */
  patterns?: readonly string[]
  /** The URNs of the resources it is about: chunks about one of them count more. */
  resources?: readonly string[]
  /** The embedding of the incident, by the same model as the chunks. */
  embedding?: readonly number[]
  /** The name of the model that embedded it; if the chunks' model differs, it is refused. */
  model?: string
  /** The number of chunks, 1 to 1,000. Default: 10. */
  limit?: number
  /** Filters, such as `{ source: 'runbooks' }`. */
  where?: KnowledgeFilters
}

/** A chunk of a document that may help in an incident, and why it was found. */
export interface RelatedChunk extends FoundChunk {
  /** The score of {@link searchKnowledge}, times 1.5 if the chunk is about one of the resources. */
  score: number
  /** The incident's `resources` that the chunk is about, in the given order. */
  about: string[]
}

const relatedKnowledgeOptions = (installation: Installation) =>
  z.strictObject({
    title: storableText,
    patterns: z.array(storableText).default([]),
    resources: z.array(urnText).default([]),
    embedding: embeddingOf(installation).optional(),
    model: boundedText(255).optional(),
    limit: z.int().min(1).max(1000).default(10),
    where: knowledgeFilters.default({}),
  })

/** Resources change the order among this number of the best chunks. */
const pool = 100
/** The factor for the score of a chunk about one of the resources. */
const aboutFactor = 1.5

/**
 * Chunks of runbooks and other documents that may help in an incident, found by the words of its
 * title and log patterns. Best first: a ranking frame.
 *
 * | | |
 * |---|---|
 * | found by | the words of `title` and `patterns`, and `embedding` if given, as in {@link searchKnowledge}; a chunk needs one of the words, not all |
 * | `resources` | do not filter. Among the best 100 (or `limit`, if that is more), a chunk whose document has one of them gets its score times 1.5, once for any number of them |
 * | variable parts of a pattern | `<*>` has no words |
 * | order | `score` descending, then the chunk's id |
 *
 * @throws InvalidInputError if an option is invalid, or the embedding has another dimension than
 * the installation; names the field. On execution, the errors of {@link searchKnowledge}.
 * @example
 * const fresh = await newPatterns(scope, { range: last('20 minutes') }).execute()
 * const runbooks = relatedKnowledge(scope, {
 *   title: 'Customers wait long for checkout',
 *   patterns: fresh.map(({ pattern }) => pattern),
 *   resources: ['urn:k8s:svc:shop/payment'],
 *   where: { source: 'runbooks' },
 *   limit: 3,
 * })
 * await runbooks.execute()
 *
 * // select "related".* from (
 * //   select found.item, found.score * case when cardinality(about.resources) = 0 then 1 else $1 end as score,
 * //     found.chunk_id, ..., about.resources as about
 * //   from (select "found".* from (...) as "found") as found
 * //   cross join lateral (select array(... found.metadata -> 'resources' ? given.urn ...) as resources) as about
 * //   order by score desc, found.chunk_id limit $2
 * // ) as "related"
 */
export function relatedKnowledge(scope: Scope, options: RelatedKnowledgeOptions): Finished<RelatedChunk, 'related'> {
  const { title, patterns, resources, limit, ...search } = parseOptions(relatedKnowledgeOptions(scope.installation), options)
  const found = searchKnowledge(scope, { ...search, text: [title, ...patterns].join('\n'), limit: Math.max(pool, limit) })
  const related = sql<RelatedChunk>`(
    select
      found.item,
      found.score * case when pg_catalog.cardinality(about.resources) = 0 then 1::float8 else ${aboutFactor}::float8 end as score,
      found.chunk_id,
      found.doc_id,
      found.chunk_idx,
      found.source,
      found.title,
      found.url,
      found.context,
      found.content,
      found.snippet,
      found.metadata,
      found.lexical_rank,
      found.lexical_score,
      found.matched_terms,
      found.vector_rank,
      found.vector_score,
      found.distance,
      about.resources as about
    from ${found.as('found')}
    cross join lateral (
      select array(
        select given.urn
        from pg_catalog.unnest(${[...new Set(resources)]}::text[]) with ordinality as given (urn, place)
        where (found.metadata operator(pg_catalog.->) 'resources'::text) operator(pg_catalog.?) given.urn
        order by given.place
      ) as resources
    ) as about
    order by score desc, found.chunk_id
    limit ${limit}
  )`
  return finished(scope, related, 'related')
}
