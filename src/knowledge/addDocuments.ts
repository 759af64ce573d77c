import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { takeTurn } from '../database/transaction/takeTurn.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import type { Scope } from '../database/scope.ts'
import { parse, parseOptions } from '../schema/parse.ts'
import { boundedText, storableObject, storableText, urnText, type Json } from '../schema/text.ts'
import { arrayLiteral, embeddingOf } from './embedding/embedding.ts'

export interface ChunkInput {
  content: string
  /** As many numbers as the installation's embedding dimension. */
  embedding: readonly number[]
  /** Beside what the document's `metadata` says, and before it. */
  metadata?: Record<string, Json>
}

export interface DocumentInput {
  /** Where it comes from: `runbooks`, `postmortems`, `wiki`, ... At most 255 bytes. */
  source: string
  /** At most 1,024 bytes. */
  title: string
  /** At most 2,048 bytes. */
  url?: string | null
  /**
   * The URNs of what it is about. They are kept in the metadata under `resources`, and need not be
   * known to the catalog.
   */
  resources?: readonly string[]
  metadata?: Record<string, Json>
  /** The text in pieces, in order. */
  chunks: readonly ChunkInput[]
}

export interface AddDocumentsOptions {
  /**
   * Give up before the next statement or the commit. What was begun is rolled back, unless the
   * transaction is the caller's.
   */
  signal?: AbortSignal
}

const addDocumentsOptions = z.strictObject({ signal: z.instanceof(AbortSignal).optional() })

const documentsInput = (embedding: ReturnType<typeof embeddingOf>) =>
  z.array(
    z.strictObject({
      source: boundedText(255),
      title: boundedText(1024),
      url: boundedText(2048).nullish(),
      resources: z.array(urnText).optional(),
      metadata: storableObject.optional(),
      chunks: z.array(
        z.strictObject({
          content: storableText.refine((text) => text.length > 0, 'must not be empty'),
          embedding,
          metadata: storableObject.optional(),
        }),
      ),
    }),
  )

/** So many chunks go in one statement: with 1,536 dimensions some 10 MB of text. */
const batch = 500

/**
 * Adds documents with their embedded chunks, or brings the ones that are there up to date; returns
 * the documents' ids in the order given.
 *
 * A document is told by its `source` and `url`, one without a URL by its `source` and `title`; of
 * one given several times the last counts. Adding it again replaces its title, its metadata and its
 * chunks. Chunks are told by their position: one whose content, embedding and metadata are the same
 * is not written, one that changed keeps its id, and those beyond the new end are deleted. Every
 * chunk carries its document's metadata, so that a search can filter by either.
 *
 * All in one transaction (the caller's, if the scope was made from one), in statements of 500
 * chunks; a writer of the same tenant's knowledge waits for another. An abort leaves everything as
 * it was.
 *
 * @throws InvalidInputError naming the document and field: an embedding of the wrong dimension, a
 * number that is not finite, text that cannot be stored; or when the scope was made from a
 * REPEATABLE READ or SERIALIZABLE transaction, which would not see the documents others add
 * meanwhile. Nothing is written then.
 * @example
 * const [runbook] = await addDocuments(scope, [
 *   {
 *     source: 'runbooks',
 *     title: 'Payment provider is slow',
 *     url: 'https://wiki.example/payment',
 *     resources: ['urn:k8s:svc:shop/payment'],
 *     chunks: [{ content: 'Switch to the second provider with ...', embedding: await embed('Switch to ...') }],
 *   },
 * ])
 */
export async function addDocuments(
  scope: Scope,
  documents: readonly DocumentInput[],
  options: AddDocumentsOptions = {},
): Promise<string[]> {
  const { signal } = parseOptions(addDocumentsOptions, options)
  const given = parse(documentsInput(embeddingOf(scope.installation)), documents, 'documents').map(
    ({ source, title, url = null, resources, metadata, chunks }) => ({
      source,
      title,
      url,
      metadata: { ...metadata, ...(resources && { resources }) },
      chunks,
    }),
  )
  const keyOf = ({ source, title, url }: { source: string; title: string; url: string | null }) =>
    JSON.stringify(url === null ? [source, null, title] : [source, url])
  const byKey = new Map(given.map((document) => [keyOf(document), document]))
  if (byKey.size === 0) return []
  const distinct = [...byKey.values()]
  await assertReadCommitted(scope.db, 'addDocuments')
  const ids = await inTransaction(scope.db, async (db) => {
    signal?.throwIfAborted()
    // The documents have no unique key (their URL is text of any length), so writers take turns.
    await takeTurn(db, `pgvantage knowledge ${scope.installation.schema} ${scope.tenantId}`)
    const docIds = await writeDocuments(scope, db, distinct)
    const chunks = distinct.flatMap((document, at) =>
      document.chunks.map(({ content, embedding, metadata }, chunk_idx) => ({
        doc_id: docIds[at]!,
        chunk_idx,
        content,
        embedding,
        metadata: { ...document.metadata, ...metadata },
      })),
    )
    for (let at = 0; at < chunks.length; at += batch) {
      signal?.throwIfAborted()
      await writeChunks(scope, db, chunks.slice(at, at + batch))
    }
    signal?.throwIfAborted()
    await deleteChunksBeyond(
      scope,
      db,
      distinct.map((document, at) => ({ doc_id: docIds[at]!, length: document.chunks.length })),
    )
    return docIds
  })
  const idOf = new Map([...byKey.keys()].map((key, at) => [key, ids[at]!]))
  return given.map((document) => idOf.get(keyOf(document))!)
}

interface Document {
  source: string
  title: string
  url: string | null
  metadata: Record<string, Json>
}

/** Writes the documents and returns their ids in the same order. */
async function writeDocuments(scope: Scope, db: Kysely<{}>, documents: readonly Document[]): Promise<string[]> {
  const given = documents.map(({ source, title, url, metadata }, at) => ({ at, source, title, url, metadata }))
  const { rows } = await sql<{ at: number; id: string }>`
    with given as (
      select row.*, known.doc_id
      from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as row (at int4, source text, title text, url text, metadata jsonb)
      left join lateral (
        select doc.doc_id
        from ${scope.id('kb_doc')} as doc
        where doc.tenant_id = ${scope.tenantId}::int8 and doc.source = row.source
          and (doc.url = row.url or (row.url is null and doc.url is null and doc.title = row.title))
        order by doc.doc_id
        limit 1
      ) as known on true
    ), changed as (
      update ${scope.id('kb_doc')} as doc
      set title = given.title, metadata = given.metadata
      from given
      where doc.tenant_id = ${scope.tenantId}::int8 and doc.doc_id = given.doc_id
        and (doc.title is distinct from given.title or doc.metadata <> given.metadata)
    ), added as (
      insert into ${scope.id('kb_doc')} (tenant_id, source, title, url, metadata)
      select ${scope.tenantId}::int8, source, title, url, metadata from given where doc_id is null order by at
      returning doc_id, source, title, url
    )
    select given.at, coalesce(given.doc_id, added.doc_id)::text as id
    from given
    left join added on given.doc_id is null and added.source = given.source
      and (added.url = given.url or (given.url is null and added.url is null and added.title = given.title))
    order by given.at
  `.execute(db)
  return rows.map(({ id }) => id)
}

interface Chunk {
  doc_id: string
  chunk_idx: number
  content: string
  embedding: readonly number[]
  metadata: Record<string, Json>
}

async function writeChunks(scope: Scope, db: Kysely<{}>, chunks: readonly Chunk[]): Promise<void> {
  const rows = chunks.map(({ embedding, ...chunk }) => ({ ...chunk, embedding: arrayLiteral(embedding) }))
  // Embeddings are compared as float4[]: comparing vectors would need to know the schema of
  // pgvector's operators.
  await sql`
    insert into ${scope.id('kb_chunk')} as chunk (tenant_id, doc_id, chunk_idx, content, embedding, metadata)
    select ${scope.tenantId}::int8, doc_id, chunk_idx, content, embedding::float4[], metadata
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (doc_id int8, chunk_idx int4, content text, embedding text, metadata jsonb)
    on conflict (tenant_id, doc_id, chunk_idx) do update
    set content = excluded.content, embedding = excluded.embedding, metadata = excluded.metadata
    where chunk.content <> excluded.content
      or chunk.metadata <> excluded.metadata
      or chunk.embedding::float4[] <> excluded.embedding::float4[]
  `.execute(db)
}

async function deleteChunksBeyond(scope: Scope, db: Kysely<{}>, documents: readonly { doc_id: string; length: number }[]): Promise<void> {
  await sql`
    delete from ${scope.id('kb_chunk')} as chunk
    using jsonb_to_recordset(${JSON.stringify(documents)}::jsonb) as document (doc_id int8, length int4)
    where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.doc_id = document.doc_id and chunk.chunk_idx >= document.length
  `.execute(db)
}
