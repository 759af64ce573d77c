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
   * Gives chunks without an embedding theirs. Default: none, and they keep what they have or are
   * found by their words.
   */
  embed?: Embed
  /**
   * The name of the model of the embeddings, made or brought along. Default: `embed.model`; where
   * that has none either, the one that the tenant has.
   */
  model?: string
  /** How documents with `content` are split, see `splitDocument`. */
  split?: SplitOptions
  /**
   * Give up before the next statement or the commit, and at once while texts are embedded. What was
   * done with the documents before stays, unless the transaction is the caller's.
   */
  signal?: AbortSignal
  /**
   * Told what was done with each document, in the order given, when it is committed, or before
   * the commit where the transaction is the caller's; the report has no `documents` then, so that
   * memory stays flat.
   */
  onDocument?: (document: DocumentResult) => void | Promise<void>
}

/** What was done with a document. */
export interface DocumentResult {
  /** Null for one that was refused and is not known. */
  doc_id: string | null
  source: string
  title: string
  url: string | null
  /**
   * `added` as new, `replaced` where it had changed, `unchanged` where nothing was to be done, or
   * `refused` where one of its texts has no embedding: what was there before stays.
   */
  outcome: 'added' | 'replaced' | 'unchanged' | 'refused'
  /** How many chunks it has now. */
  chunks: number
  /** How many of its texts were embedded by this call. */
  embedded: number
  /** How many of its chunks have no embedding, and so are found by their words alone. */
  unembedded: number
  /** Why it was refused. */
  reason?: string
}

/** What was done with documents, and how many there are of each outcome. */
export interface AddDocumentsReport {
  /** In the order given; empty where `onDocument` was told. */
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
 * Adds documents to what a tenant knows, or brings those that are there up to date: splits them,
 * embeds their chunks, and notes the terms they are found by.
 *
 * A document is identified by its `source` and `url`, one without a URL by its `source` and
 * `title`; of one given several times the last counts. It has either `content`, which is split, or
 * `chunks`.
 *
 * | the document | what is done |
 * |---|---|
 * | is new | it is written |
 * | is the very same (content, metadata, model, options of splitting) | nothing: no embedding, no write |
 * | has changed | chunks that did not keep their id and embedding and are not written; the others are replaced, in one transaction |
 * | has a text that the provider refuses | nothing: what was there stays, and the report says why |
 *
 * Without `embed`, a chunk that brings no embedding keeps the one that its text has already. A text
 * that is new has none, is found by its words alone, and counts as `unembedded`. Every chunk
 * carries its document's metadata, so that a search can filter by either.
 *
 * The embeddings of a tenant are of one model, which is remembered when it is first named; another
 * one is refused, see `reembed`.
 *
 * Memory stays flat: documents are taken in groups of at most 64, or 500 chunks, each embedded and
 * then written in a transaction of its own, or all in the caller's, if the scope was made from one.
 * Writers of the same document take turns; others wait for each other only where both add a word
 * that is new, until the commit. In a caller's transaction that is longer than one group, all other
 * writers of the tenant wait for its end. Several calls in one transaction of yours can be ended by
 * a deadlock (`40P01`): repeat the transaction.
 *
 * Where it fails, what yields the documents is closed: `finally` of a generator runs, a stream is
 * destroyed.
 *
 * @throws InvalidInputError naming the document and field: an embedding of the wrong dimension, a
 * number that is not finite, text that cannot be stored. An array is checked whole before anything
 * is written; of anything else the documents before are added. Also where the model is another than
 * the tenant's, or the scope was made from a REPEATABLE READ or SERIALIZABLE transaction, which
 * would not see the documents that others add at the same time.
 * @throws VantageError (`EMBEDDING_FAILED`), with the provider's error as `cause`, where the
 * provider fails for good: what was done before stays, and the message says how much that is. The
 * call can be repeated.
 * @throws VantageError (`TERMS_VERSION`) where the tenant's terms are of another version, see
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
    // Many turns in a transaction of the caller's would be held to its end, and taken in any order.
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
  /** As the caller named it. */
  model: string | null
  embedder: Embedder | undefined
  split: SplitOptions
  signal: AbortSignal | undefined
}

/** Embeds and writes a group; in two steps, so that no transaction waits for the provider. */
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
      // What was to be kept has changed since, so it may change again: nothing is kept now.
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

/** By the fingerprints of chunks. */
type Embeddings = Map<string, readonly number[] | EmbeddingRefused>

/** The chunks of a plan that our call of the model embeds. */
const toEmbed = (plan: Plan) => writtenOf(plan).filter(({ by }) => by === 'model')

/** Embeds what has no embedding yet; a text that is there twice once. */
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

/** Why a text of the document has no embedding. */
function refusalOf(plan: Plan, embeddings: Embeddings): string | undefined {
  for (const chunk of toEmbed(plan)) {
    const refused = embeddings.get(chunk.fingerprint)
    if (refused instanceof EmbeddingRefused) return `the text ${preview(chunk.content)} has no embedding: ${refused.reason}`
  }
  return undefined
}

const isReady = (plan: Plan, embeddings: Embeddings): boolean => toEmbed(plan).every(({ fingerprint }) => embeddings.has(fingerprint))

/** Refuses where the tenant has moved to another model since the texts were embedded. */
async function assertSameCorpus(adding: Adding, db: Kysely<{}>, before: Corpus, documents: readonly PreparedDocument[]): Promise<void> {
  const { scope, model } = adding
  const now = await readCorpus(scope, db)
  assertFits(scope, now, model)
  const embedded = documents.some(({ chunks }) => chunks.some(({ by }) => by !== 'nobody'))
  if (embedded && model === null && now.model !== before.model) {
    throw new VantageError(
      `the embeddings of tenant ${preview(scope.tenantCode)} are by the model ${preview(now.model)} since a moment ago, before ${before.model === null ? 'nobody had named one' : `by ${preview(before.model)}`}: call again with the model that makes yours`,
      { code: 'MODEL_CHANGED' },
    )
  }
  await rememberCorpus(scope, db, now, embedded ? model : null)
}

/**
 * The provider's failure, with what was done before it; where it may pass by itself, that a later
 * call goes on.
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
