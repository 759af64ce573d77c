import { sql } from 'kysely'
import { z } from 'zod'
import { plainKysely, type AnyKysely } from '../database/connection/plainKysely.ts'
import { findInstallation } from '../database/installation/installation.ts'
import { schemaOption } from '../database/installation/schemaOption.ts'
import { tenantScope } from '../database/scope.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { parseOptions } from '../schema/parse.ts'
import { ingest, type IngestReport } from './ingest.ts'

export interface SettleJournalsOptions {
  /** Only needed if the database has several installations. */
  schema?: string
  signal?: AbortSignal
}

/** The result for the journal of one tenant. */
export type SettledJournal = { tenant: string } & ({ report: IngestReport } | { error: unknown })

const settleJournalsOptions = schemaOption.extend({ signal: z.instanceof(AbortSignal).optional() })

/**
 * Rolls up what was read for any tenant and left behind, and closes the windows that have waited
 * long enough. Run it from a scheduler, since a tenant that has stopped sending no longer calls
 * `ingest`.
 *
 * A failure for one tenant does not stop the others: it is in the result.
 *
 * @throws InvalidInputError if an option is wrong; the signal's reason if aborted.
 * @returns one entry for each tenant with open windows, in the order of their codes.
 * @example
 * for (const settled of await settleJournals(db)) {
 *   if ('error' in settled) console.error(settled.tenant, settled.error)
 * }
 *
 * // select code as tenant from "public"."dim_tenant" as tenant
 * // where exists (select from "public"."ingest_window" as open where ...) order by code collate "C"
 */
export async function settleJournals(db: AnyKysely, options: SettleJournalsOptions = {}): Promise<SettledJournal[]> {
  const { schema, signal } = parseOptions(settleJournalsOptions, options)
  const plain = plainKysely(db)
  await assertReadCommitted(plain, 'settleJournals')
  const installation = await findInstallation(plain, schema)
  const { rows } = await sql<{ tenant: string }>`
    select code as tenant
    from ${sql.id(installation.schema, 'dim_tenant')} as tenant
    where exists (select from ${sql.id(installation.schema, 'ingest_window')} as open where open.tenant_id = tenant.tenant_id)
    order by code collate "C"
  `.execute(plain)
  const settled: SettledJournal[] = []
  for (const { tenant } of rows) {
    signal?.throwIfAborted()
    try {
      const scope = await tenantScope(plain, tenant, { schema: installation.schema })
      // The limit of a journal is an option of its loads.
      settled.push({ tenant, report: await ingest(scope, [], { signal, maxJournalBytes: Number.MAX_SAFE_INTEGER }) })
    } catch (error) {
      if (signal?.aborted) throw error
      settled.push({ tenant, error })
    }
  }
  return settled
}
