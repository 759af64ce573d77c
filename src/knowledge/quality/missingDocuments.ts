import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { isSameDocument } from '../documents/sameDocument.ts'
import type { CheckedGoldenDocument } from './golden.ts'

/** The keys of the documents that the tenant does not have. */
export async function missingDocuments(scope: Scope, documents: readonly CheckedGoldenDocument[]): Promise<ReadonlySet<string>> {
  const asked = documents.map(({ key, source, url, title }) => ({ key, source, url, title }))
  const { rows } = await inTransaction(scope.db, (db) =>
    sql<{ key: string }>`
      select asked.key
      from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (key text, source text, url text, title text)
      where not exists (select from ${scope.id('kb_doc')} as doc where ${isSameDocument(scope)})
    `.execute(db),
  )
  return new Set(rows.map(({ key }) => key))
}
