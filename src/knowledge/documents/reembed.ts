import { sql, type Kysely, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { assertReadCommitted } from '../../database/transaction/isolation.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { EmbeddingRefused, type Embed } from '../embedding/embed.ts'
import { arrayLiteral } from '../embedding/embedding.ts'
import { countChunks } from './countChunks.ts'
import { embeddedText, embedderOf, embeddingCalls, embedOption, modelOption, type Embedder, type EmbeddingCalls } from './embedder.ts'
import { howBytes, howOf } from './fingerprint.ts'
import { whatOfChunk } from './prepare.ts'
import { takeKnowledge } from './turns.ts'

export interface ReembedOptions extends EmbeddingCalls {
  /** Makes the embeddings with the new model. */
  embed: Embed
  /** The name of the new model. Default: `embed.model`. One of the two must be given. */
  model?: string
  /**
   * Stops; while texts are embedded, at once. Until the last transaction the tenant keeps its old
   * embeddings, and the next call continues from the work that is done.
   */
  signal?: AbortSignal
  /** Called with the number of embedded chunks, and the number of chunks at the start. */
  onProgress?: (progress: { done: number; chunks: number }) => void
}

export interface ReembedReport {
  /** The tenant's new model. */
  model: string
  /** How many chunks the tenant has. */
  chunks: number
  /** How many texts were embedded by this call. */
  embedded: number
  /**
   * The chunks that the provider refused. They no longer have an embedding; only a search by words
   * finds them.
   */
  refused: RefusedChunk[]
}

export interface RefusedChunk {
  chunk_id: string
  doc_id: string
  /** The source of its document. */
  source: string | null
  /** The title of its document. */
  title: string | null
  reason: string
}

const reembedOptions = z.strictObject({
  embed: embedOption,
  model: modelOption.optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: z.custom<NonNullable<ReembedOptions['onProgress']>>((value) => typeof value === 'function', 'must be a function').optional(),
  ...embeddingCalls,
})

/** How many chunks are embedded and stored at a time. */
const page = 500

/**
 * Moves a tenant's embeddings to another model of the same dimension while searches continue. Every
 * search sees the old embeddings only, or the new ones only.
 *
 * | step | |
 * |---|---|
 * | 1. embed | the new model embeds every chunk, also those without an embedding, 500 at a time, into a table of their own. Documents can still be added with the old model. After an interruption, the next call with the same model embeds only what is missing |
 * | 2. exchange, in one transaction | chunks added since are embedded, then all embeddings and the model's name are exchanged. Other writers of the tenant's knowledge wait, and every chunk enters the vector index again |
 *
 * With the model that the tenant already has, it embeds the chunks that have no embedding or one
 * from the caller. After the exchange, search with embeddings of the new model.
 *
 * @throws InvalidInputError if the model has no name, or the scope was made from a REPEATABLE READ
 * or SERIALIZABLE transaction.
 * @throws VantageError (`EMBEDDING_FAILED`), with the provider's error as `cause`, if the provider
 * fails for good or returns embeddings of another dimension: the tenant keeps its old model.
 * @example
 * const { refused } = await reembed(scope, { embed: openAiEmbeddings({ url, model: 'nomic-embed-text-v2' }) })
 */
export async function reembed(scope: Scope, options: ReembedOptions): Promise<ReembedReport> {
  const { embed, model: named, signal, onProgress, ...calls } = parseOptions(reembedOptions, options)
  const model = named ?? embed.model
  if (model === undefined) {
    throw new InvalidInputError('model', 'must name the new model, or embed must have its name: the tenant remembers it')
  }
  await assertReadCommitted(scope.db, 'reembed')
  const dimension = scope.installation.embeddingDimension
  const move: Move = {
    scope,
    how: howOf({ by: 'model', model, dimension }),
    embedder: embedderOf(scope.installation, embed, { signal, ...calls }),
    signal,
    embedded: 0,
    refused: new Map(),
    onDone: (done) => onProgress?.({ done, chunks }),
  }
  const chunks = await countChunks(scope)
  // Each round has fewer new chunks. The last ones are embedded under a lock.
  for (let pass = 0; pass < 3 && (await embedMissing(move, scope.db)) > page; pass += 1);
  return inTransaction(scope.db, async (db) => {
    await takeKnowledge(scope, db)
    await embedMissing(move, db)
    signal?.throwIfAborted()
    await exchange(move, db, model)
    signal?.throwIfAborted()
    const refused = await refusedChunks(move, db)
    return { model, chunks: await countChunks({ ...scope, db }), embedded: move.embedded, refused }
  })
}

interface Move {
  scope: Scope
  /** The first part of the fingerprints of chunks of the new model. */
  how: string
  embedder: Embedder
  signal: AbortSignal | undefined
  embedded: number
  /** Why chunks were refused, by their ids. */
  refused: Map<string, string>
  onDone: (done: number) => void
}

/**
 * Embeds the chunks that have no embedding of the new model, neither set aside nor in use; returns
 * how many.
 */
async function embedMissing(move: Move, db: Kysely<{}>): Promise<number> {
  const { scope, how, signal } = move
  const tried = move.refused
  let count = 0
  for (let after = '0'; ;) {
    signal?.throwIfAborted()
    const rows = await inTransaction(db, (trx) => missing(move, trx, after))
    if (rows.length === 0) return count
    after = rows.at(-1)!.chunk_id
    // A chunk refused earlier in this call is not tried again.
    const open = rows.filter((row) => tried.get(row.chunk_id) === undefined || !row.aside)
    const found = await move.embedder(open.map(embeddedText))
    const aside = open.map(({ chunk_id, context, content }, at) => {
      const embedding = found[at]!
      const isRefused = embedding instanceof EmbeddingRefused
      if (isRefused) tried.set(chunk_id, embedding.reason)
      else {
        tried.delete(chunk_id)
        move.embedded += 1
      }
      return { chunk_id, fingerprint: how + whatOfChunk({ context, content }), embedding: isRefused ? '{}' : arrayLiteral(embedding) }
    })
    signal?.throwIfAborted()
    if (aside.length > 0) await inTransaction(db, (trx) => putAside(scope, trx, aside))
    count += open.length
    move.onDone(move.embedded + tried.size)
  }
}

/** Whether the embedding set aside is of the new model and of the chunk's present text. */
const isOfText = ({ how }: Move): RawBuilder<boolean> => sql`
  substr(aside.fingerprint, 1, ${sql.lit(howBytes)}) = decode(${how}, 'hex')
    and substr(aside.fingerprint, ${sql.lit(howBytes + 1)}) = substr(chunk.fingerprint, ${sql.lit(howBytes + 1)})
`

/** Whether the chunk's own embedding is of the new model. */
const isMoved = ({ how }: Move): RawBuilder<boolean> => sql`
  coalesce(chunk.embedding is not null and substr(chunk.fingerprint, 1, ${sql.lit(howBytes)}) = decode(${how}, 'hex'), false)
`

interface MissingChunk {
  chunk_id: string
  context: string
  content: string
  /** Whether it is set aside as refused. */
  aside: boolean
}

async function missing(move: Move, db: Kysely<{}>, after: string): Promise<MissingChunk[]> {
  const { scope } = move
  const { rows } = await sql<MissingChunk>`
    select chunk.chunk_id::text as chunk_id, chunk.context, chunk.content, coalesce(${isOfText(move)}, false) as aside
    from ${scope.id('kb_chunk')} as chunk
    left join ${scope.id('kb_reembedding')} as aside on aside.tenant_id = chunk.tenant_id and aside.chunk_id = chunk.chunk_id
    where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id > ${after}::int8
      and not ${isMoved(move)}
      and not coalesce(${isOfText(move)} and cardinality(aside.embedding) > 0, false)
    order by chunk.chunk_id
    limit ${page}::int4
  `.execute(db)
  return rows
}

/** Sets embeddings aside; a refused chunk gets one without numbers. */
async function putAside(
  scope: Scope,
  db: Kysely<{}>,
  rows: readonly { chunk_id: string; fingerprint: string; embedding: string }[],
): Promise<void> {
  const given = sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (chunk_id int8, fingerprint text, embedding text)`
  // Chunks older than fingerprints get one, by which a later change of the chunk is noticed.
  await sql`
    update ${scope.id('kb_chunk')} as chunk
    set fingerprint = decode(repeat('00', ${sql.lit(howBytes)}) || substr(row.fingerprint, ${sql.lit(2 * howBytes + 1)}), 'hex')
    from ${given}
    where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = row.chunk_id and chunk.fingerprint is null
  `.execute(db)
  await sql`
    insert into ${scope.id('kb_reembedding')} (tenant_id, chunk_id, fingerprint, embedding)
    select chunk.tenant_id, chunk.chunk_id, decode(row.fingerprint, 'hex'), row.embedding::float4[]
    from ${given}
    -- Some may have been removed since. Those that are there must not go before this is written.
    join ${scope.id('kb_chunk')} as chunk on chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = row.chunk_id
    order by chunk.chunk_id
    for key share of chunk
    on conflict (tenant_id, chunk_id) do update set fingerprint = excluded.fingerprint, embedding = excluded.embedding
  `.execute(db)
}

/** Exchanges all embeddings and the model's name. */
async function exchange(move: Move, db: Kysely<{}>, model: string): Promise<void> {
  const { scope, how } = move
  const ofTenant = sql`tenant_id = ${scope.tenantId}::int8`
  const nobody = howOf({ by: 'nobody' })
  await sql`
    update ${scope.id('kb_chunk')} as chunk
    set embedding = case when cardinality(aside.embedding) > 0 then aside.embedding end,
      fingerprint = case
        when cardinality(aside.embedding) > 0 then aside.fingerprint
        else decode(${nobody}, 'hex') || substr(aside.fingerprint, ${sql.lit(howBytes + 1)})
      end
    from ${scope.id('kb_reembedding')} as aside
    where chunk.tenant_id = ${scope.tenantId}::int8 and aside.tenant_id = chunk.tenant_id and aside.chunk_id = chunk.chunk_id
      and not ${isMoved(move)}
  `.execute(db)
  // A document with a refused text is incomplete: without its fingerprint, adding it again tries
  // again.
  await sql`
    update ${scope.id('kb_doc')} as doc
    set fingerprint = case
      when not exists (
        select from ${scope.id('kb_chunk')} as chunk
        where chunk.tenant_id = doc.tenant_id and chunk.doc_id = doc.doc_id and chunk.embedding is null
      ) then decode(${how}, 'hex') || substr(doc.fingerprint, ${sql.lit(howBytes + 1)})
    end
    where doc.${ofTenant} and doc.fingerprint is not null
  `.execute(db)
  await sql`delete from ${scope.id('kb_reembedding')} where ${ofTenant}`.execute(db)
  await sql`
    insert into ${scope.id('kb_corpus')} (tenant_id, model) values (${scope.tenantId}::int8, ${model}::text)
    on conflict (tenant_id) do update set model = excluded.model, changed_at = now()
  `.execute(db)
}

async function refusedChunks({ scope, refused }: Move, db: Kysely<{}>): Promise<RefusedChunk[]> {
  if (refused.size === 0) return []
  const given = [...refused].map(([chunk_id, reason]) => ({ chunk_id, reason }))
  const { rows } = await sql<RefusedChunk>`
    select chunk.chunk_id::text as chunk_id, chunk.doc_id::text as doc_id, doc.source, doc.title, refused.reason
    from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as refused (chunk_id int8, reason text)
    join ${scope.id('kb_chunk')} as chunk on chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = refused.chunk_id
    join ${scope.id('kb_doc')} as doc on doc.tenant_id = chunk.tenant_id and doc.doc_id = chunk.doc_id
    where chunk.embedding is null
    order by chunk.chunk_id
  `.execute(db)
  return rows
}
