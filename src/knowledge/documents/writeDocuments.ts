import { sql, type Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { arrayLiteral } from '../embedding/embedding.ts'
import { chunkTermsOf, lengthOf, writeTerms, writeWords } from './chunkTerms.ts'
import { plannedFingerprint, type Plan } from './plan.ts'
import { keyOf, type PreparedChunk, type PreparedDocument } from './prepare.ts'

/** What is to be written of a document. */
export interface PlannedDocument {
  document: PreparedDocument
  /** Undefined for a new document. */
  doc_id: string | undefined
  plan: Plan
}

/** Chunks per statement: with 1,536 dimensions about 10 MB of text. */
const batch = 500

/**
 * Writes documents and returns their ids in the same order. The caller holds the documents' locks.
 *
 * @param embeddings by the fingerprints of chunks.
 */
export async function writeDocuments(
  scope: Scope,
  db: Kysely<{}>,
  planned: readonly PlannedDocument[],
  { embeddings, signal }: { embeddings: ReadonlyMap<string, readonly number[]>; signal: AbortSignal | undefined },
): Promise<string[]> {
  const ids = await writeAbout(scope, db, planned)
  const plans = planned.map(({ plan }) => plan)
  signal?.throwIfAborted()
  await makeRoom(scope, db, plans)
  await writePlaces(
    scope,
    db,
    plans.flatMap(({ kept }) => kept),
  )
  const termsOf = chunkTermsOf(scope)
  const rowOf = ({ content, context, brought, metadata, fingerprint }: PreparedChunk) => {
    const terms = termsOf({ content, context })
    const embedding = brought ?? embeddings.get(fingerprint)
    const row = { content, context, metadata, fingerprint, length: lengthOf(terms), embedding: embedding ? arrayLiteral(embedding) : null }
    return { terms, row }
  }
  const words = new Set<string>()
  const changed = plans.flatMap((plan) => plan.changed)
  for (let at = 0; at < changed.length; at += batch) {
    signal?.throwIfAborted()
    const rows = changed.slice(at, at + batch).map(({ chunk_id, chunk }) => ({ chunk_id, ...rowOf(chunk) }))
    await changeChunks(
      scope,
      db,
      rows.map(({ chunk_id, row }) => ({ chunk_id, ...row })),
    )
    await writeTerms(
      scope,
      db,
      rows.map(({ chunk_id, terms, row: { length } }) => ({ chunk_id, length, terms })),
    )
    for (const { terms } of rows) for (const { term } of terms) words.add(term)
  }
  const added = planned.flatMap(({ plan }, at) => plan.added.map(({ chunk_idx, chunk }) => ({ doc_id: ids[at]!, chunk_idx, chunk })))
  for (let at = 0; at < added.length; at += batch) {
    signal?.throwIfAborted()
    const rows = added.slice(at, at + batch).map(({ doc_id, chunk_idx, chunk }) => ({ doc_id, chunk_idx, ...rowOf(chunk) }))
    const chunkIds = await addChunks(
      scope,
      db,
      rows.map(({ doc_id, chunk_idx, row }) => ({ doc_id, chunk_idx, ...row })),
    )
    await writeTerms(
      scope,
      db,
      rows.map(({ terms, row: { length } }, of) => ({ chunk_id: chunkIds[of]!, length, terms })),
    )
    for (const { terms } of rows) for (const { term } of terms) words.add(term)
  }
  signal?.throwIfAborted()
  await writeWords(scope, db, words)
  return ids
}

async function writeAbout(scope: Scope, db: Kysely<{}>, planned: readonly PlannedDocument[]): Promise<string[]> {
  const given = planned.map(({ document, doc_id = null, plan }) => {
    const { source, title, url, metadata } = document
    return { doc_id, source, title, url, metadata, fingerprint: plannedFingerprint(document, plan) }
  })
  const { rows } = await sql<{ doc_id: string; source: string; title: string; url: string | null }>`
    with given as (
      select row.*
      from jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        as row (doc_id int8, source text, title text, url text, metadata jsonb, fingerprint text)
    ), changed as (
      update ${scope.id('kb_doc')} as doc
      set title = given.title, metadata = given.metadata, fingerprint = decode(given.fingerprint, 'hex'), updated_at = now()
      from given
      where doc.tenant_id = ${scope.tenantId}::int8 and doc.doc_id = given.doc_id
    )
    insert into ${scope.id('kb_doc')} (tenant_id, source, title, url, metadata, fingerprint)
    select ${scope.tenantId}::int8, source, title, url, metadata, decode(fingerprint, 'hex') from given where doc_id is null
    returning doc_id::text as doc_id, source, title, url
  `.execute(db)
  const added = new Map(rows.map((row) => [keyOf(row), row.doc_id]))
  return planned.map(({ document, doc_id }) => doc_id ?? added.get(keyOf(document))!)
}

/** Deletes the chunks that are gone, and frees the places of those that move. */
async function makeRoom(scope: Scope, db: Kysely<{}>, plans: readonly Plan[]): Promise<void> {
  const removed = plans.flatMap((plan) => plan.removed)
  if (removed.length > 0) {
    await sql`
      delete from ${scope.id('kb_chunk')} where tenant_id = ${scope.tenantId}::int8 and chunk_id = any(${idList(removed)})
    `.execute(db)
  }
  const moved = plans.flatMap(({ kept }) => kept.filter((chunk) => chunk.moved).map(({ chunk_id }) => chunk_id))
  if (moved.length > 0) {
    await sql`
      update ${scope.id('kb_chunk')} set chunk_idx = -1 - chunk_idx
      where tenant_id = ${scope.tenantId}::int8 and chunk_id = any(${idList(moved)})
    `.execute(db)
  }
}

/** Writes places and metadata that differ. */
async function writePlaces(scope: Scope, db: Kysely<{}>, kept: Plan['kept']): Promise<void> {
  for (let at = 0; at < kept.length; at += batch) {
    const rows = kept.slice(at, at + batch).map(({ chunk_id, chunk_idx, chunk: { metadata } }) => ({ chunk_id, chunk_idx, metadata }))
    await sql`
      update ${scope.id('kb_chunk')} as chunk
      set chunk_idx = row.chunk_idx, metadata = row.metadata
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (chunk_id int8, chunk_idx int4, metadata jsonb)
      where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = row.chunk_id
        and (chunk.chunk_idx <> row.chunk_idx or chunk.metadata <> row.metadata)
    `.execute(db)
  }
}

interface ChunkRow {
  content: string
  context: string
  metadata: PreparedChunk['metadata']
  fingerprint: string
  length: number
  embedding: string | null
}

const columns = sql`content text, context text, embedding text, metadata jsonb, length int4, fingerprint text`

async function changeChunks(scope: Scope, db: Kysely<{}>, rows: readonly (ChunkRow & { chunk_id: string })[]): Promise<void> {
  const ids = idList(rows.map(({ chunk_id }) => chunk_id))
  await sql`
    update ${scope.id('kb_chunk')} as chunk
    set content = row.content, context = row.context, embedding = row.embedding::float4[], metadata = row.metadata, length = row.length,
      fingerprint = decode(row.fingerprint, 'hex')
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (chunk_id int8, ${columns})
    where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = row.chunk_id
  `.execute(db)
  // The terms of the old text, and an embedding set aside for a move to another model.
  for (const table of ['kb_term', 'kb_reembedding'])
    await sql`delete from ${scope.id(table)} where tenant_id = ${scope.tenantId}::int8 and chunk_id = any(${ids})`.execute(db)
}

/** Returns the ids in the same order. */
async function addChunks(
  scope: Scope,
  db: Kysely<{}>,
  rows: readonly (ChunkRow & { doc_id: string; chunk_idx: number })[],
): Promise<string[]> {
  const { rows: added } = await sql<{ chunk_id: string; doc_id: string; chunk_idx: number }>`
    insert into ${scope.id('kb_chunk')} (tenant_id, doc_id, chunk_idx, content, context, embedding, metadata, length, fingerprint)
    select ${scope.tenantId}::int8, doc_id, chunk_idx, content, context, embedding::float4[], metadata, length, decode(fingerprint, 'hex')
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (doc_id int8, chunk_idx int4, ${columns})
    order by doc_id, chunk_idx
    returning chunk_id::text as chunk_id, doc_id::text as doc_id, chunk_idx
  `.execute(db)
  const idOf = new Map(added.map(({ chunk_id, doc_id, chunk_idx }) => [`${doc_id} ${chunk_idx}`, chunk_id]))
  return rows.map(({ doc_id, chunk_idx }) => idOf.get(`${doc_id} ${chunk_idx}`)!)
}

/** Ids as a single parameter. */
export const idList = (ids: readonly string[]) => sql`${`{${ids.join(',')}}`}::text::int8[]`
