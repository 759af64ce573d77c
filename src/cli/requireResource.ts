import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { isUnknownResource } from '../database/sqlState.ts'
import { NotFoundError } from '../schema/errors.ts'

/** Fails where the tenant has no such resource, and names the most similar ones. */
export async function requireResource(scope: Scope, urn: string): Promise<void> {
  try {
    await sql`select ${requireResources(scope, [urn])}`.execute(scope.db)
  } catch (error) {
    if (!isUnknownResource(error)) throw error
    throw new NotFoundError(`${error.message}; \`pgvantage resources WORD\` finds others`, { cause: error })
  }
}
