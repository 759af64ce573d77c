import { sql, type Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { StoredChunk } from './plan.ts'
import type { PreparedDocument } from './prepare.ts'
import { isSameDocument } from './sameDocument.ts'

/** What is stored of a document. */
export interface Stored {
  doc_id: string
  /** Whether it is identical; its chunks are not read then. */
  same: boolean
  fingerprint: string | null
  count: number
  /** How many chunks have no embedding. */
  unembedded: number
  chunks: readonly StoredChunk[]
}

/** The stored state of documents, by their place in the list. */
export async function storedDocuments(
  scope: Scope,
  db: Kysely<{}>,
  documents: readonly PreparedDocument[],
): Promise<ReadonlyMap<PreparedDocument, Stored>> {
  const asked = documents.map(({ source, title, url, fingerprint }, at) => ({ at, source, title, url, fingerprint }))
  const { rows } = await sql<Omit<Stored, 'chunks'> & { at: number; chunks: StoredChunk[] | null }>`
    select asked.at, doc.doc_id::text as doc_id, doc.fingerprint, doc.same, chunk.count, chunk.unembedded, chunk.chunks
    from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (at int4, source text, title text, url text, fingerprint text)
    cross join lateral (
      select doc.doc_id, encode(doc.fingerprint, 'hex') as fingerprint,
        coalesce(encode(doc.fingerprint, 'hex') = asked.fingerprint, false) as same
      from ${scope.id('kb_doc')} as doc
      where ${isSameDocument(scope)}
      order by doc.doc_id
      limit 1
    ) as doc
    cross join lateral (
      select
        count(*)::int4 as count,
        (count(*) filter (where chunk.embedding is null))::int4 as unembedded,
        json_agg(
          json_build_object(
            'chunk_id', chunk.chunk_id::text, 'chunk_idx', chunk.chunk_idx, 'fingerprint', encode(chunk.fingerprint, 'hex'),
            'embedded', chunk.embedding is not null
          ) order by chunk.chunk_idx
        ) filter (where not doc.same) as chunks
      from ${scope.id('kb_chunk')} as chunk
      where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.doc_id = doc.doc_id
    ) as chunk
  `.execute(db)
  return new Map(rows.map(({ at, chunks, ...row }) => [documents[at]!, { ...row, chunks: chunks ?? [] }]))
}
