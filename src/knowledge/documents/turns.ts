import type { Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { shareTurn, takeTurn, takeTurns } from '../../database/transaction/takeTurn.ts'

/** Waits until nobody else writes to the tenant's knowledge, and keeps others from it. */
export const takeKnowledge = (scope: Scope, trx: Kysely<{}>): Promise<void> => takeTurn(trx, knowledge(scope))

/**
 * Waits for who has the whole of the tenant's knowledge, and for who writes one of these documents.
 *
 * @param keys what identifies the documents.
 */
export async function takeDocuments(scope: Scope, trx: Kysely<{}>, keys: readonly string[]): Promise<void> {
  await shareTurn(trx, knowledge(scope))
  await takeTurns(
    trx,
    keys.map((key) => `${knowledge(scope)} ${key}`),
  )
}

const knowledge = ({ installation, tenantId }: Scope) => `pgvantage knowledge ${installation.schema} ${tenantId}`
