import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import type { Scope } from '../../database/scope.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { assertItems } from '../checkedItems.ts'
import { embedderOf, embeddingCalls, embedOption, type EmbeddingCalls } from '../documents/embedder.ts'
import type { Embed } from '../embedding/embed.ts'
import { rerankOption, type Rerank } from '../rerank/rerank.ts'
import { mostChunks, searchFields, type SearchKnowledgeOptions } from '../search/searchKnowledge.ts'
import { checkedGolden } from './checkedGolden.ts'
import { figuresOf, qualityOf, searchLegs, type LegQuality, type QualityLeg, type QuestionFigures, type SearchLeg } from './figures.ts'
import type { CheckedGoldenDocument, CheckedGoldenQuestion, GoldenQuestion } from './golden.ts'
import { missingDocuments } from './missingDocuments.ts'
import { questionEmbeddings } from './questionEmbeddings.ts'
import { searchLeg } from './searchLeg.ts'

export interface RetrievalQualityOptions
  extends EmbeddingCalls, Pick<SearchKnowledgeOptions, 'model' | 'where' | 'fusion' | 'feedback' | 'diversity'> {
  /** The questions, each once: an array or another iterable. */
  golden: Iterable<GoldenQuestion> | AsyncIterable<GoldenQuestion>
  /** How many documents of each result count, 1 to 1,000. Default: 10. */
  limit?: number
  /**
   * The ways of searching to measure. Default: all three if the questions have embeddings, given or
   * made by `embed`; otherwise `lexical`.
   */
  legs?: readonly SearchLeg[]
  /** Makes the embeddings of questions that bring none. */
  embed?: Embed
  /**
   * Also measures `reranked`: the best `candidates` of the search (by words, and by embedding if
   * there is one), in the order of this function. See {@link rerankKnowledge}.
   */
  rerank?: Rerank
  /** How many chunks are reranked. Default: 50, or `limit` if that is more. */
  candidates?: number
  /** Stops before the next statement; while texts are embedded or reranked, at once. */
  signal?: AbortSignal
  /**
   * Called after each question with the number of questions done and their total, which is null if
   * `golden` is not an array.
   */
  onProgress?: (progress: { done: number; questions: number | null }) => void
}

/** A relevant document that the tenant does not have. */
export interface MissingDocument {
  source: string
  /** Null if the golden question does not say. */
  title: string | null
  url: string | null
}

/**
 * A golden question and the figures of each way of searching; null for one that was not measured.
 */
export interface QuestionQuality {
  question: string
  /** Its relevant documents that the tenant does not have. */
  missing: MissingDocument[]
  lexical: QuestionFigures | null
  vector: QuestionFigures | null
  hybrid: QuestionFigures | null
  reranked: QuestionFigures | null
}

/** How well searches find the relevant documents; plain JSON, to store and compare. */
export interface RetrievalQuality {
  /** How many documents of each result counted. */
  limit: number
  /** Searches by words; null if not measured. */
  lexical: LegQuality | null
  /** Searches by embedding; null if not measured. */
  vector: LegQuality | null
  /** Searches by both; null if not measured. */
  hybrid: LegQuality | null
  /** The best chunks of a search in the order of `rerank`; null if not measured. */
  reranked: LegQuality | null
  /**
   * The relevant documents that the tenant does not have, each once. No search can find them; they
   * count as not found.
   */
  missing: MissingDocument[]
  /** The questions, in the order given. */
  questions: QuestionQuality[]
}

const retrievalQualityOptions = (installation: Installation) => {
  const { limit, model, where, fusion, feedback, diversity } = searchFields(installation)
  return z
    .strictObject({
      golden: z.custom<RetrievalQualityOptions['golden']>(),
      limit,
      legs: z
        .array(z.enum(searchLegs))
        .min(1, 'must name at least one')
        .refine((legs) => new Set(legs).size === legs.length, 'must not name one twice')
        .optional(),
      embed: embedOption.optional(),
      rerank: rerankOption.optional(),
      candidates: z.int().min(1).max(mostChunks).optional(),
      model,
      where,
      fusion,
      feedback,
      diversity,
      signal: z.instanceof(AbortSignal).optional(),
      onProgress: z
        .custom<NonNullable<RetrievalQualityOptions['onProgress']>>((value) => typeof value === 'function', 'must be a function')
        .optional(),
      ...embeddingCalls,
    })
    .refine(({ candidates, rerank }) => candidates === undefined || rerank !== undefined, {
      message: 'is for rerank, which must be given too',
      path: ['candidates'],
    })
}

/** How many questions are embedded and read at a time. */
const groupSize = 128

/**
 * Measures how well searches find the documents that a person called relevant: recall, mean
 * reciprocal rank and nDCG over golden questions. Measure again after a change of the documents,
 * the model or the search options.
 *
 * | | |
 * |---|---|
 * | `lexical`, `vector`, `hybrid` | {@link searchKnowledge} by `text`, by `embedding`, and by both, with the same options |
 * | what is ranked | documents, each at the rank of its best chunk. If 100 chunks belong to fewer than `limit` documents, 1,000 are asked for; `cut` says where that was not enough |
 * | relevant | the documents that the golden question names, with their relevance; no others |
 * | a relevant document that the tenant does not have | counts as not found, and is in `missing` |
 * | the figures | those of TREC's `trec_eval`, with the standard errors of their means |
 *
 * A document that `where` excludes counts as not found. Questions are embedded 128 at a time, and
 * only their figures stay in memory. Searches run one after another, in no transaction unless the
 * scope was made from one.
 *
 * @throws InvalidInputError naming the question and field, or the option. An array is checked as a
 * whole before the first search. Also if there is no question, or one occurs twice. The server
 * refuses what {@link searchKnowledge} says.
 * @throws VantageError (`EMBEDDING_FAILED`, `RERANKING_FAILED`), with the provider's error as
 * `cause`: a question without an embedding, or that cannot be reranked, is not skipped. The
 * signal's reason if aborted.
 * @example
 * const quality = await retrievalQuality(scope, {
 *   golden: [
 *     { question: 'payment provider times out', relevant: [{ source: 'runbooks', url: 'https://wiki.example/payment' }] },
 *     { question: 'who is on call', relevant: [{ source: 'wiki', title: 'On call', relevance: 2 }, { source: 'wiki', title: 'Teams' }] },
 *   ],
 *   embed,
 * })
 * // { limit: 10, hybrid: { ndcg: { mean: 0.82, standardError: 0.05 }, ... }, missing: [], questions: [...], ... }
 * if (quality.hybrid!.ndcg.mean < 0.75) process.exit(1)
 *
 * @see Voorhees: The philosophy of information retrieval evaluation, 2002
 */
export async function retrievalQuality(scope: Scope, options: RetrievalQualityOptions): Promise<RetrievalQuality> {
  const given = parseOptions(retrievalQualityOptions(scope.installation), options)
  const { golden, limit, embed, rerank, candidates, where, fusion, feedback, diversity, signal, onProgress, ...rest } = given
  const { legs: asked, model = embed?.model, ...calls } = rest
  const { attempts, maxWaitMs, onRetry } = calls
  assertItems(golden, 'golden')
  signal?.throwIfAborted()
  const needsEmbedding = asked?.some((leg) => leg !== 'lexical') ?? false
  const checked = checkedGolden(golden, {
    installation: scope.installation,
    embedding: embed ? 'made' : needsEmbedding ? 'needed' : 'optional',
    signal,
  })
  const search = {
    limit,
    model,
    rerank,
    candidates,
    search: { where, fusion, feedback, diversity },
    calls: { attempts, maxWaitMs, onRetry, signal },
  }
  const count = Array.isArray(golden) ? golden.length : null
  const questions: QuestionQuality[] = []
  const missing = new Map<string, MissingDocument>()
  let legs: readonly QualityLeg[] = []
  for await (const group of inGroups(checked)) {
    if (questions.length === 0) {
      const byEmbedding = embed !== undefined || group[0]!.embedding !== undefined
      legs = [
        ...searchLegs.filter((leg) => (asked ? asked.includes(leg) : byEmbedding || leg === 'lexical')),
        ...(rerank ? (['reranked'] as const) : []),
      ]
    }
    const embedder =
      embed && legs.some((leg) => leg !== 'lexical') ? embedderOf(scope.installation, embed, { signal, ...calls }) : undefined
    const embeddings = await questionEmbeddings(group, { embedder, before: questions.length })
    signal?.throwIfAborted()
    const gone = await missingDocuments(scope, group.flatMap(relevantOf))
    for (const [at, each] of group.entries()) {
      const { question, relevant } = each
      const missed = relevantOf(each).filter(({ key }) => gone.has(key))
      for (const document of missed) if (!missing.has(document.key)) missing.set(document.key, named(document))
      const quality: QuestionQuality = { question, missing: missed.map(named), ...unmeasured }
      for (const leg of legs) {
        signal?.throwIfAborted()
        const found = await searchLeg(scope, leg, { ...search, question, embedding: embeddings[at] })
        quality[leg] = figuresOf(found, relevant, limit)
      }
      questions.push(quality)
      onProgress?.({ done: questions.length, questions: count })
    }
  }
  if (questions.length === 0) throw new InvalidInputError('golden', 'must hold at least one question')
  const means = Object.fromEntries(legs.map((leg) => [leg, qualityOf(questions.map((question) => question[leg]!))]))
  return { limit, ...unmeasured, ...means, missing: [...missing.values()], questions }
}

const unmeasured: Readonly<Record<QualityLeg, null>> = { lexical: null, vector: null, hybrid: null, reranked: null }

/** The documents that count if they are not found; those that a person judged with 0 do not. */
const relevantOf = ({ relevant }: CheckedGoldenQuestion) => relevant.filter(({ relevance }) => relevance > 0)

const named = ({ source, title, url }: CheckedGoldenDocument): MissingDocument => ({ source, title: title === '' ? null : title, url })

async function* inGroups<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let open: Item[] = []
  for await (const item of items) {
    open.push(item)
    if (open.length < groupSize) continue
    yield open
    open = []
  }
  if (open.length > 0) yield open
}
