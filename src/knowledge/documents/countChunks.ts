import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'

/** How many chunks a tenant has. */
export async function countChunks(scope: Scope): Promise<number> {
  const { rows } = await inTransaction(scope.db, (db) =>
    sql<{ count: number }>`
      select count(*)::int4 as count from ${scope.id('kb_chunk')} where tenant_id = ${scope.tenantId}::int8
    `.execute(db),
  )
  return rows[0]!.count
}
