import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { NotFoundError } from '../schema/errors.ts'
import { parseOptions, preview } from '../schema/parse.ts'
import { eventId } from './eventId.ts'
import { evidenceInput, type EvidenceInput } from './evidence.ts'

export interface AttachEvidenceOptions {
  /** The id of the event. */
  eventId: string
  evidence: readonly EvidenceInput[]
}

const attachEvidenceOptions = z.strictObject({ eventId, evidence: z.array(evidenceInput) })

/**
 * Links pieces of evidence to an event: all of them, or none if one is refused. Returns the number
 * of new links.
 *
 * A link is identified by its event, `dim`, `refPg` and `refOo`. An existing link keeps its note,
 * so attaching again changes nothing.
 *
 * @throws InvalidInputError naming the piece and the field: a table or column that evidence cannot
 * point to, a piece without a reference, text that cannot be stored.
 * @throws NotFoundError if the tenant has no such event or locator. Those of another tenant do not
 * count.
 * @example
 * await attachEvidence(scope, {
 *   eventId,
 *   evidence: [
 *     { dim: 'call', refPg: { table: 'service_call_5m', keys: { src_resource_id: '7', dst_resource_id: '9' } }, note: 'p95 rose from 45 to 640 ms' },
 *     { dim: 'trace', refOo: locator },
 *   ],
 * })
 *
 * // insert into "public"."evidence_link" (tenant_id, event_id, dim, ref_pg, ref_oo, note)
 * // select $1, $2, dim, ref_pg, ref_oo, note from jsonb_to_recordset($3) as given (...) on
 * //   conflict do nothing
 */
export async function attachEvidence(scope: Scope, options: AttachEvidenceOptions): Promise<number> {
  const { eventId: event, evidence } = parseOptions(attachEvidenceOptions, options)
  await assertThere(scope, event, [...new Set(evidence.flatMap(({ refOo }) => refOo ?? []))])
  if (evidence.length === 0) return 0
  const given = evidence.map(({ dim, refPg, refOo, note }) => ({ dim, ref_pg: refPg ?? null, ref_oo: refOo ?? null, note: note ?? null }))
  const write = sql`
    insert into ${scope.id('evidence_link')} (tenant_id, event_id, dim, ref_pg, ref_oo, note)
    select ${scope.tenantId}::int8, ${event}::uuid, dim, ref_pg, ref_oo, note
    from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as given (dim text, ref_pg jsonb, ref_oo int8, note text)
    on conflict do nothing
  `
  const { numAffectedRows = 0n } = await inTransaction(scope.db, (trx) => write.execute(trx))
  return Number(numAffectedRows)
}

/**
 * The foreign keys would also refuse another tenant's event and locators, but with the driver's
 * message. And they do not check a row that already exists under the other tenant: the conflict is
 * skipped.
 */
async function assertThere(scope: Scope, event: string, locators: readonly string[]): Promise<void> {
  const { rows } = await sql<{ found: boolean; missing: string | null }>`
    select
      exists (select from ${scope.id('event_envelope')} where tenant_id = ${scope.tenantId}::int8 and event_id = ${event}::uuid) as found,
      (
        select min(wanted.id)::text from pg_catalog.unnest(${[...locators]}::int8[]) as wanted (id)
        where not exists (select from ${scope.id('oo_locator')} as locator where locator.tenant_id = ${scope.tenantId}::int8 and locator.id = wanted.id)
      ) as missing
  `.execute(scope.db)
  const { found, missing } = rows[0]!
  const tenant = `tenant ${preview(scope.tenantCode)}`
  if (!found) throw new NotFoundError(`${tenant} has no event ${event}: record it with recordEvent before attaching evidence`)
  if (missing !== null) throw new NotFoundError(`${tenant} has no locator ${missing}: nothing was attached to event ${event}`)
}
