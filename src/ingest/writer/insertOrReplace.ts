import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { sqlStateOf } from '../../database/sqlState.ts'
import { behindSavepoint } from '../../database/transaction/behindSavepoint.ts'

/**
 * Writes rows of a table. Where the tenant has no row of these times yet, they are only inserted:
 * looking each one up first takes a quarter of the time. If another writer has inserted one since,
 * the insert fails and is taken back, and the rows are written as all others are.
 *
 * @param times the first and the last bucket of the rows.
 * @param replacing what an insert does where a row is there already.
 */
export async function insertOrReplace(
  scope: Scope,
  table: 'metric_1m' | 'service_call_5m',
  { first, last }: { first: Date; last: Date },
  replacing: RawBuilder<unknown>,
  write: (onConflict: RawBuilder<unknown>) => Promise<number>,
): Promise<number> {
  const { rows } = await sql<{ found: boolean }>`
    select exists (
      select from ${scope.id(table)}
      where tenant_id = ${scope.tenantId}::int8 and bucket >= ${first}::timestamptz and bucket <= ${last}::timestamptz
    ) as found
  `.execute(scope.db)
  if (rows[0]!.found) return write(replacing)
  try {
    return await behindSavepoint(scope.db, () => write(sql``))
  } catch (error) {
    if (sqlStateOf(error) !== uniqueViolation) throw error
    return write(replacing)
  }
}

const uniqueViolation = '23505'
