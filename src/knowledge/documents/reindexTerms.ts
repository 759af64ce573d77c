import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { assertReadCommitted } from '../../database/transaction/isolation.ts'
import { parseOptions } from '../../schema/parse.ts'
import { termsVersion } from '../terms.ts'
import { countChunks } from './countChunks.ts'
import { chunkTermsOf, deleteUnusedWords, lengthOf, writeTerms, writeWords } from './chunkTerms.ts'
import { takeKnowledge } from './turns.ts'
import { idList } from './writeDocuments.ts'

export interface ReindexTermsOptions {
  /**
   * Stops before the next statement. What is written stays; the next call starts from the
   * beginning.
   */
  signal?: AbortSignal
  /**
   * Called after each transaction with the number of chunks done, and their number at the start.
   */
  onProgress?: (progress: { done: number; chunks: number }) => void
}

const reindexTermsOptions = z.strictObject({
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: z
    .custom<NonNullable<ReindexTermsOptions['onProgress']>>((value) => typeof value === 'function', 'must be a function')
    .optional(),
})

/** How many chunks are written in one transaction. */
const page = 500

/**
 * Writes the terms of all chunks of a tenant again; returns the number of chunks.
 *
 * Call it after an upgrade with a new version of terms (`addDocuments` then throws
 * `TERMS_VERSION`), and for chunks from before the terms existed: without terms, searches by words
 * do not find them. One transaction writes 500 chunks; other writers of the tenant's knowledge wait
 * for it. Until the call ends, searches find some chunks by the old terms and some by the new ones.
 * If it is interrupted, call it again.
 *
 * @throws InvalidInputError if the scope was made from a REPEATABLE READ or SERIALIZABLE
 * transaction. The signal's reason if aborted.
 * @example
 * await reindexTerms(scope, { onProgress: ({ done, chunks }) => console.log(done, 'of', chunks) })
 */
export async function reindexTerms(scope: Scope, options: ReindexTermsOptions = {}): Promise<number> {
  const { signal, onProgress } = parseOptions(reindexTermsOptions, options)
  await assertReadCommitted(scope.db, 'reindexTerms')
  const chunks = await countChunks(scope)
  let done = 0
  let after = '0'
  for (;;) {
    signal?.throwIfAborted()
    const { count, last } = await inTransaction(scope.db, async (db) => {
      await takeKnowledge(scope, db)
      signal?.throwIfAborted()
      const written = await reindexPage(scope, db, after)
      // In the transaction of the last chunks, so that no chunk can be added in between.
      if (written.count < page) {
        await deleteUnusedWords(scope, db)
        await sql`
          insert into ${scope.id('kb_corpus')} (tenant_id, terms_version) values (${scope.tenantId}::int8, ${termsVersion}::int4)
          on conflict (tenant_id) do update set terms_version = excluded.terms_version, changed_at = now()
        `.execute(db)
      }
      signal?.throwIfAborted()
      return written
    })
    done += count
    if (count > 0) onProgress?.({ done, chunks })
    if (count < page) return done
    after = last
  }
}

async function reindexPage(scope: Scope, db: Kysely<{}>, after: string): Promise<{ count: number; last: string }> {
  const { rows } = await sql<{ chunk_id: string; context: string; content: string }>`
    select chunk.chunk_id::text as chunk_id, context, content from ${scope.id('kb_chunk')} as chunk
    where tenant_id = ${scope.tenantId}::int8 and chunk_id > ${after}::int8
    order by chunk.chunk_id limit ${page}::int4
  `.execute(db)
  if (rows.length === 0) return { count: 0, last: after }
  const termsOf = chunkTermsOf(scope)
  const chunks = rows.map((row) => {
    const terms = termsOf(row)
    return { chunk_id: row.chunk_id, terms, length: lengthOf(terms) }
  })
  await sql`
    delete from ${scope.id('kb_term')}
    where tenant_id = ${scope.tenantId}::int8 and chunk_id = any(${idList(chunks.map(({ chunk_id }) => chunk_id))})
  `.execute(db)
  const lengths = chunks.map(({ chunk_id, length }) => ({ chunk_id, length }))
  await sql`
    update ${scope.id('kb_chunk')} as chunk
    set length = row.length
    from jsonb_to_recordset(${JSON.stringify(lengths)}::jsonb) as row (chunk_id int8, length int4)
    where chunk.tenant_id = ${scope.tenantId}::int8 and chunk.chunk_id = row.chunk_id and chunk.length <> row.length
  `.execute(db)
  await writeTerms(scope, db, chunks)
  await writeWords(
    scope,
    db,
    chunks.flatMap(({ terms }) => terms.map(({ term }) => term)),
  )
  return { count: rows.length, last: rows.at(-1)!.chunk_id }
}
