import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { assertReadCommitted } from '../../database/transaction/isolation.ts'
import { VantageError } from '../../schema/errors.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import { assertItems } from '../checkedItems.ts'
import { embeddingFailed } from '../embedding/counted.ts'
import { EmbeddingRefused, type Embed } from '../embedding/embed.ts'
import { failureOf } from '../embedding/failure.ts'
import { assertFits, readCorpus, rememberCorpus, type Corpus } from './corpus.ts'
import { documentInput, type DocumentInput } from './documentInput.ts'
import { embeddedText, embedderOf, embeddingCalls, embedOption, modelOption, type Embedder, type EmbeddingCalls } from './embedder.ts'
import { groupsOf, type Group } from './groups.ts'
import { changesNothing, planOf, unembeddedOf, writtenOf, type Plan } from './plan.ts'
import { keyOf, prepare, type PreparedDocument } from './prepare.ts'
import { splitOptions, type SplitOptions } from './split.ts'
import { storedDocuments, type Stored } from './storedDocuments.ts'
import { takeDocuments, takeKnowledge } from './turns.ts'
import { writeDocuments } from './writeDocuments.ts'

export interface AddDocumentsOptions extends EmbeddingCalls {
  /**
   * Makes the embeddings of chunks that bring none. Default: no embedding is made. Such a chunk
   * keeps the embedding that it already has; otherwise only a search by words finds it.
   */
  embed?: Embed
  /**
   * The name of the model of the embeddings, made or brought along. Default: `embed.model`, or else
   * the model that the tenant has.
   */
  model?: string
  /** How documents with `content` are split, see `splitDocument`. */
  split?: SplitOptions
  /**
   * Stops before the next statement or the commit; while texts are embedded, at once. Documents
   * that are already done stay, unless the transaction is the caller's.
   */
  signal?: AbortSignal
  /**
   * Called with the result of each document, in the order given: after its commit, or before the
   * commit if the transaction is the caller's. The report then has no `documents`, which keeps
   * memory flat.
   */
  onDocument?: (document: DocumentResult) => void | Promise<void>
}

/** What was done with a document. */
export interface DocumentResult {
  /** Null for a document that was refused and is not stored. */
  doc_id: string | null
  source: string
  title: string
  url: string | null
  /**
   * | outcome | |
   * |---|---|
   * | `added` | the document is new |
   * | `replaced` | it had changed |
   * | `unchanged` | there was nothing to do |
   * | `refused` | one of its texts has no embedding; the stored version stays |
   */
  outcome: 'added' | 'replaced' | 'unchanged' | 'refused'
  /** How many chunks the document has now. */
  chunks: number
  /** How many of its texts were embedded by this call. */
  embedded: number
  /** How many of its chunks have no embedding. Only a search by words finds them. */
  unembedded: number
  /** Why it was refused. */
  reason?: string
}

/** What was done with documents, and how many there are of each outcome. */
export interface AddDocumentsReport {
  /** In the order given; empty if `onDocument` is given. */
  documents: DocumentResult[]
  added: number
  replaced: number
  unchanged: number
  refused: number
  /** How many texts were embedded. */
  embedded: number
  /** How many chunks of these documents have no embedding: a search by embedding misses them. */
  unembedded: number
}

const addDocumentsOptions = z.strictObject({
  embed: embedOption.optional(),
  model: modelOption.optional(),
  split: splitOptions.prefault({}),
  signal: z.instanceof(AbortSignal).optional(),
  onDocument: z
    .custom<NonNullable<AddDocumentsOptions['onDocument']>>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  ...embeddingCalls,
})

/**
 * Adds documents to a tenant's knowledge, or updates those that are already stored: splits them,
 * embeds their chunks, and stores the terms that searches by words use.
 *
 * | the document | what happens |
 * |---|---|
 * | is new | it is written |
 * | is identical (content, metadata, model, split options) | nothing: no embedding, no write |
 * | has changed | unchanged chunks keep their id and embedding and are not written; the others are replaced, in one transaction |
 * | has a text that the provider refuses | nothing: the stored version stays, and the report gives the reason |
 *
 * A document is identified by its `source` and `url`, or without a URL by its `source` and `title`.
 * If the same document is given several times, the last one counts. It has either `content`, which
 * is split, or `chunks`. Every chunk carries its document's metadata, so a search can filter by
 * either.
 *
 * Without `embed`, a chunk that brings no embedding keeps the one that its text already has. A new
 * text gets no embedding: only a search by words finds it, and it counts as `unembedded`. All
 * embeddings of a tenant come from one model. The first call that names a model sets it; another
 * model is refused, see `reembed`.
 *
 * Memory stays flat: documents are taken in groups of at most 64 documents or 500 chunks. Each
 * group is embedded first, and then written in a transaction of its own, or in the caller's if the
 * scope was made from one. Two writers of the same document take turns; others wait for each
 * other's commit only if both add the same new word. In a caller's transaction with more than one
 * group, all other writers of the tenant wait until it ends; several calls in it can end in a
 * deadlock (`40P01`): repeat the transaction.
 *
 * If the call fails, the source of the documents is closed: a generator's `finally` runs, and a
 * stream is destroyed.
 *
 * @throws InvalidInputError naming the document and field: an embedding of the wrong dimension, a
 * number that is not finite, text that cannot be stored. An array is checked as a whole before
 * anything is written; with any other iterable, the documents before the wrong one are added. Also
 * if the model is not the tenant's, or if the scope was made from a REPEATABLE READ or SERIALIZABLE
 * transaction, which would not see documents that others add at the same time.
 * @throws VantageError (`EMBEDDING_FAILED`), with the provider's error as `cause`, if the provider
 * fails for good. Documents that are already done stay, and the message says how many. You can
 * repeat the call.
 * @throws VantageError (`TERMS_VERSION`) if the tenant's terms are of another version, see
 * `reindexTerms`.
 * @example
 * const report = await addDocuments(
 *   scope,
 *   [
 *     {
 *       source: 'runbooks',
 *       title: 'Payment provider is slow',
 *       url: 'https://wiki.example/payment',
 *       resources: ['urn:k8s:svc:shop/payment'],
 *       content: '# What to do\n\nSwitch to the second provider with ...',
 *     },
 *   ],
 *   { embed: openAiEmbeddings({ url: 'http://localhost:11434/v1', model: 'nomic-embed-text' }) },
 * )
 * // { documents: [{ doc_id: '1', outcome: 'added', chunks: 1, embedded: 1, ... }], added: 1, replaced: 0, ... }
 */
export async function addDocuments(
  scope: Scope,
  documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>,
  options: AddDocumentsOptions = {},
): Promise<AddDocumentsReport> {
  const { embed, model, split, signal, onDocument, ...calls } = parseOptions(addDocumentsOptions, options)
  assertItems(documents, 'documents')
  const report: AddDocumentsReport = { documents: [], added: 0, replaced: 0, unchanged: 0, refused: 0, embedded: 0, unembedded: 0 }
  const adding: Adding = {
    scope,
    model: model ?? embed?.model ?? null,
    embedder: embed && embedderOf(scope.installation, embed, { signal, ...calls }),
    split,
    signal,
  }
  signal?.throwIfAborted()
  await assertReadCommitted(scope.db, 'addDocuments')
  let whole = false
  for await (const group of groupsOf(documents, { schema: documentInput(scope.installation), split, signal })) {
    // Locks of many groups in a caller's transaction would be held to its end, taken in any order.
    whole ||= scope.db.isTransaction && !group.last
    const results = await addGroup(adding, group, whole).catch((error: unknown) => {
      throw saying(error, report, group)
    })
    for (const result of results) {
      report[result.outcome] += 1
      report.embedded += result.embedded
      report.unembedded += result.unembedded
      if (onDocument === undefined) report.documents.push(result)
      else await onDocument(result)
    }
  }
  return report
}

interface Adding {
  scope: Scope
  /** The name that the caller gave. */
  model: string | null
  embedder: Embedder | undefined
  split: SplitOptions
  signal: AbortSignal | undefined
}

/** Embeds and writes a group, in two steps: no transaction waits for the provider. */
async function addGroup(adding: Adding, group: Group, whole: boolean): Promise<DocumentResult[]> {
  const { scope, embedder, split, signal } = adding
  const { corpus, documents, stored } = await inTransaction(scope.db, async (db) => {
    signal?.throwIfAborted()
    const corpus = await readCorpus(scope, db)
    assertFits(scope, corpus, adding.model)
    const model = adding.model ?? corpus.model
    const documents = group.documents.map((document) => prepare(scope, document, { model, embeds: embedder !== undefined, options: split }))
    return { corpus, documents, stored: await storedDocuments(scope, db, documents) }
  })
  const embeddings: Embeddings = new Map()
  const embedded = new Map<PreparedDocument, number>()
  const results = new Map<PreparedDocument, DocumentResult>()
  const result = (
    document: PreparedDocument,
    { doc_id, ...rest }: Pick<DocumentResult, 'outcome' | 'chunks' | 'unembedded'> & { doc_id: string | undefined; reason?: string },
  ) => {
    const { source, title, url } = document
    results.set(document, { doc_id: doc_id ?? null, source, title, url, embedded: embedded.get(document) ?? 0, ...rest })
  }
  const unchanged = (document: PreparedDocument, { doc_id, count, unembedded }: Stored) =>
    result(document, { doc_id, outcome: 'unchanged', chunks: count, unembedded })
  let open = documents
  let known = stored
  for (let attempt = 1; open.length > 0; attempt += 1) {
    const plans = new Map<PreparedDocument, Plan>()
    for (const document of open) {
      const before = known.get(document)
      if (isUnchanged(document, before)) unchanged(document, before!)
      // The chunks to keep have changed since, and may change again: now nothing is kept.
      else plans.set(document, planOf(document, attempt === 1 ? (before?.chunks ?? []) : []))
    }
    await embedMissing(embedder, plans, { embeddings, embedded })
    for (const [document, plan] of plans) {
      const reason = refusalOf(plan, embeddings)
      if (reason === undefined) continue
      const before = known.get(document)
      const { doc_id, count: chunks = 0, unembedded = 0 } = before ?? {}
      result(document, { doc_id, outcome: 'refused', chunks, unembedded, reason })
      plans.delete(document)
    }
    signal?.throwIfAborted()
    open = []
    if (plans.size === 0) break
    await inTransaction(scope.db, async (db) => {
      const wanted = [...plans.keys()]
      if (whole) await takeKnowledge(scope, db)
      else await takeDocuments(scope, db, wanted.map(keyOf))
      await assertSameCorpus(adding, db, corpus, wanted)
      signal?.throwIfAborted()
      known = await storedDocuments(scope, db, wanted)
      const planned = wanted.flatMap((document) => {
        const before = known.get(document)
        if (isUnchanged(document, before)) return []
        const plan = planOf(document, before?.chunks ?? [])
        return [{ document, before, doc_id: before?.doc_id, plan }]
      })
      const ready = planned.filter(({ plan }) => isReady(plan, embeddings))
      const made = new Map([...embeddings].filter((entry): entry is [string, readonly number[]] => !(entry[1] instanceof EmbeddingRefused)))
      const ids = ready.length === 0 ? [] : await writeDocuments(scope, db, ready, { embeddings: made, signal })
      signal?.throwIfAborted()
      open = planned.filter((each) => !ready.includes(each)).map(({ document }) => document)
      for (const [at, { document, before, plan }] of ready.entries()) {
        const chunks = document.chunks.length
        result(document, { doc_id: ids[at]!, outcome: before ? 'replaced' : 'added', chunks, unembedded: unembeddedOf(plan) })
      }
      for (const document of wanted) {
        const before = known.get(document)
        if (isUnchanged(document, before)) unchanged(document, before!)
      }
    })
  }
  return documents.map((document) => results.get(document)!)
}

const isUnchanged = (document: PreparedDocument, before: Stored | undefined): boolean =>
  before !== undefined && (before.same || changesNothing(document, before.fingerprint, planOf(document, before.chunks)))

/** Embeddings by the chunks' fingerprints. */
type Embeddings = Map<string, readonly number[] | EmbeddingRefused>

/** The chunks of a plan that this call embeds with the model. */
const toEmbed = (plan: Plan) => writtenOf(plan).filter(({ by }) => by === 'model')

/** Embeds each text that has no embedding yet, once even if it occurs twice. */
async function embedMissing(
  embedder: Embedder | undefined,
  plans: ReadonlyMap<PreparedDocument, Plan>,
  { embeddings, embedded }: { embeddings: Embeddings; embedded: Map<PreparedDocument, number> },
): Promise<void> {
  const texts = new Map<string, string>()
  const owners: PreparedDocument[] = []
  for (const [document, plan] of plans) {
    for (const chunk of toEmbed(plan)) {
      if (embeddings.has(chunk.fingerprint) || texts.has(chunk.fingerprint)) continue
      texts.set(chunk.fingerprint, embeddedText(chunk))
      owners.push(document)
    }
  }
  if (embedder === undefined || texts.size === 0) return
  const found = await embedder([...texts.values()])
  for (const [at, fingerprint] of [...texts.keys()].entries()) {
    const embedding = found[at]!
    embeddings.set(fingerprint, embedding)
    if (!(embedding instanceof EmbeddingRefused)) embedded.set(owners[at]!, (embedded.get(owners[at]!) ?? 0) + 1)
  }
}

/** Why a text of the document has no embedding; undefined if all have one. */
function refusalOf(plan: Plan, embeddings: Embeddings): string | undefined {
  for (const chunk of toEmbed(plan)) {
    const refused = embeddings.get(chunk.fingerprint)
    if (refused instanceof EmbeddingRefused) return `the text ${preview(chunk.content)} has no embedding: ${refused.reason}`
  }
  return undefined
}

const isReady = (plan: Plan, embeddings: Embeddings): boolean => toEmbed(plan).every(({ fingerprint }) => embeddings.has(fingerprint))

/** Throws if the tenant has moved to another model since the texts were embedded. */
async function assertSameCorpus(adding: Adding, db: Kysely<{}>, before: Corpus, documents: readonly PreparedDocument[]): Promise<void> {
  const { scope, model } = adding
  const now = await readCorpus(scope, db)
  assertFits(scope, now, model)
  const embedded = documents.some(({ chunks }) => chunks.some(({ by }) => by !== 'nobody'))
  if (embedded && model === null && now.model !== before.model) {
    throw new VantageError(
      `the embeddings of tenant ${preview(scope.tenantCode)} are now by the model ${preview(now.model)}, at the start of the call ${before.model === null ? 'no model was named' : `by ${preview(before.model)}`}: call again with the model that makes yours`,
      { code: 'MODEL_CHANGED' },
    )
  }
  await rememberCorpus(scope, db, now, embedded ? model : null)
}

/**
 * The provider's failure, with the number of documents done before it. If the failure may pass by
 * itself, the message says that a later call continues.
 */
function saying(error: unknown, { added, replaced, unchanged, refused }: AddDocumentsReport, { documents }: Group): unknown {
  if (!(error instanceof VantageError) || error.code !== embeddingFailed) return error
  const done = added + replaced + unchanged + refused
  const { source, title } = documents[0]!
  const passes = error.cause !== undefined && ['busy', 'fault'].includes(failureOf(error.cause).kind)
  return new VantageError(
    `${error.message}; ${done} documents were done before (${added} added, ${replaced} replaced, ${unchanged} unchanged, ${refused} refused), none from ${preview(title)} of ${preview(source)} on${passes ? ': call again to go on' : ''}`,
    { code: embeddingFailed, cause: error.cause ?? error },
  )
}
