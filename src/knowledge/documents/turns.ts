import type { Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { shareTurn, takeTurn, takeTurns } from '../../database/transaction/takeTurn.ts'

/** Waits until no other transaction writes to the tenant's knowledge, and locks it. */
export const takeKnowledge = (scope: Scope, trx: Kysely<{}>): Promise<void> => takeTurn(trx, knowledge(scope))

/**
 * Waits for writers that hold the tenant's whole knowledge, and for writers of these documents.
 *
 * @param keys the documents' identities.
 */
export async function takeDocuments(scope: Scope, trx: Kysely<{}>, keys: readonly string[]): Promise<void> {
  await shareTurn(trx, knowledge(scope))
  await takeTurns(
    trx,
    keys.map((key) => `${knowledge(scope)} ${key}`),
  )
}

const knowledge = ({ installation, tenantId }: Scope) => `pgvantage knowledge ${installation.schema} ${tenantId}`
