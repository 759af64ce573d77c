import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { assertReadCommitted } from '../../database/transaction/isolation.ts'
import { parse } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { deleteUnusedWords } from './chunkTerms.ts'
import { takeKnowledge } from './turns.ts'
import { idList } from './writeDocuments.ts'

/** The documents to remove: by their ids, or by source. */
export type DocumentsWhere =
  | { ids: readonly string[] }
  | {
      source: string
      /**
       * Only documents with one of these URLs or one of the `titles`. Default: all of the source.
       */
      urls?: readonly string[]
      /** Only documents with one of these titles or one of the `urls`. */
      titles?: readonly string[]
    }

const largestInt8 = 2n ** 63n - 1n
const id = z.string().refine((text) => /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= largestInt8, 'must be the id of a document')
const atLeastOne = <Item extends z.ZodType>(item: Item) => z.array(item).min(1, 'must name at least one')

const documentsWhere = z
  .strictObject({
    ids: atLeastOne(id).optional(),
    source: boundedText(255).optional(),
    urls: atLeastOne(boundedText(2048)).optional(),
    titles: atLeastOne(boundedText(1024)).optional(),
  })
  .superRefine(({ ids, source, urls, titles }, context) => {
    if (ids !== undefined && (source ?? urls ?? titles) !== undefined)
      context.addIssue({ code: 'custom', message: 'must have either ids or a source' })
    else if (ids === undefined && source === undefined)
      context.addIssue({ code: 'custom', message: 'must say which documents: by ids, or by source' })
  })

/**
 * Removes documents with their chunks, embeddings and terms, and the words that no other document
 * has. Returns the number of documents removed.
 *
 * It runs in one transaction; other writers of the tenant's knowledge wait for it. Documents that
 * do not exist are not counted.
 *
 * @throws InvalidInputError if no document is specified, a list is empty, or a field is wrong; or
 * if the scope was made from a REPEATABLE READ or SERIALIZABLE transaction.
 * @example
 * await removeDocuments(scope, { source: 'runbooks', urls: ['https://wiki.example/payment'] })
 *
 * // delete from "public"."kb_doc" as doc where doc.tenant_id = $1::int8 and doc.source = $2 and ...
 */
export async function removeDocuments(scope: Scope, where: DocumentsWhere): Promise<number> {
  const { ids, source, urls, titles } = parse(documentsWhere, where, 'where')
  const texts = (list: readonly string[]) => sql`(select json_array_elements_text(${JSON.stringify(list)}::json))`
  const named = [...(urls ? [sql`doc.url in ${texts(urls)}`] : []), ...(titles ? [sql`doc.title in ${texts(titles)}`] : [])]
  const which =
    ids === undefined
      ? sql`doc.source = ${source!}::text ${named.length === 0 ? sql`` : sql`and (${sql.join(named, sql` or `)})`}`
      : sql`doc.doc_id = any(${idList(ids)})`
  await assertReadCommitted(scope.db, 'removeDocuments')
  return inTransaction(scope.db, async (db) => {
    await takeKnowledge(scope, db)
    const { numAffectedRows = 0n } = await sql`
      delete from ${scope.id('kb_doc')} as doc where doc.tenant_id = ${scope.tenantId}::int8 and ${which}
    `.execute(db)
    if (numAffectedRows > 0n) await deleteUnusedWords(scope, db)
    return Number(numAffectedRows)
  })
}
