import { sql } from 'kysely'
import { z } from 'zod'
import { resourceIds } from '../catalog/resources.ts'
import type { Scope } from '../database/scope.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { turnLock } from '../database/transaction/takeTurn.ts'
import { storableDate } from '../schema/date.ts'
import { InvalidInputError, NotFoundError } from '../schema/errors.ts'
import { parseOptions, preview } from '../schema/parse.ts'
import { severity, type Severity } from '../schema/severity.ts'
import { boundedText, storableObject, storableText, urnText, type Json } from '../schema/text.ts'
import { eventId } from './eventId.ts'

export interface EventInput {
  /** A UUID that identifies the event and makes recording idempotent. Default: a new one. */
  eventId?: string
  /** When the event was detected. Default: now. */
  detectedAt?: Date
  /** The URN of the resource that it is about, if any. */
  resource?: string | null
  severity: Severity
  /** The kind of event: `anomaly`, `slo_violation`, `deploy`, `incident`, ... At most 255 bytes. */
  kind: string
  /** One line for people to read; at most 1,024 bytes. */
  title: string
  summary?: string | null
  labels?: Record<string, Json>
  /** What distinguishes this event from others of its kind, for programs that group events. */
  fingerprints?: Record<string, Json>
}

const eventInput = z.strictObject({
  eventId: eventId.optional(),
  detectedAt: storableDate.optional(),
  resource: urnText.nullish(),
  severity,
  kind: boundedText(255),
  title: boundedText(1024),
  summary: storableText.nullish(),
  labels: storableObject.optional(),
  fingerprints: storableObject.optional(),
})

/**
 * Records an event and returns its id, a UUID.
 *
 * With an `eventId` the call can be repeated: there is one event, with the values of the last call.
 * A field that the last call omits keeps its recorded value; null clears it.
 *
 * @throws InvalidInputError if a field cannot be stored, or if the `eventId` belongs to another
 * tenant's event.
 * @throws NotFoundError if the tenant has no resource with this URN.
 * @example
 * const eventId = await recordEvent(scope, {
 *   resource: 'urn:k8s:svc:shop/checkout',
 *   severity: 'ERROR',
 *   kind: 'anomaly',
 *   title: 'checkout left its normal latency',
 * })
 *
 * // insert into "public"."event_envelope" as event (...) select ... from
 * //   pg_advisory_xact_lock(...)
 * // on conflict (event_id) do update set ... where event.tenant_id = excluded.tenant_id returning
 * //   event_id
 */
export async function recordEvent(scope: Scope, event: EventInput): Promise<string> {
  const given = parseOptions(eventInput, event)
  const resourceId = given.resource == null ? null : (await resourceIds(scope, [given.resource])).get(given.resource)
  if (resourceId === undefined) {
    throw new NotFoundError(
      `tenant ${preview(scope.tenantCode)} has no resource with URN ${preview(given.resource)}: create it with ensureResource before recording an event about it`,
    )
  }
  const id = given.eventId ?? null
  const detectedAt = given.detectedAt?.toISOString() ?? null
  const summary = given.summary ?? null
  const labels = given.labels === undefined ? null : JSON.stringify(given.labels)
  const fingerprints = given.fingerprints === undefined ? null : JSON.stringify(given.fingerprints)
  // `on conflict` covers only one of the two unique indexes with an event's id; of two concurrent
  // calls one could fail on the other index.
  const turn = id === null ? sql`` : sql`from ${turnLock(`pgvantage event ${id}`)} as turn`
  const write = sql<{ id: string }>`
    insert into ${scope.id('event_envelope')} as event
      (event_id, detected_at, tenant_id, resource_id, severity, kind, title, summary, labels, fingerprints)
    select
      coalesce(${id}::uuid, gen_random_uuid()), coalesce(${detectedAt}::timestamptz, now()), ${scope.tenantId}::int8, ${resourceId}::int8,
      ${given.severity}, ${given.kind}, ${given.title}, ${summary}::text,
      coalesce(${labels}::jsonb, '{}'), coalesce(${fingerprints}::jsonb, '{}')
    ${turn}
    on conflict (event_id) do update set
      detected_at = coalesce(${detectedAt}::timestamptz, event.detected_at),
      resource_id = case when ${given.resource === undefined} then event.resource_id else excluded.resource_id end,
      severity = excluded.severity,
      kind = excluded.kind,
      title = excluded.title,
      summary = case when ${given.summary === undefined} then event.summary else excluded.summary end,
      labels = coalesce(${labels}::jsonb, event.labels),
      fingerprints = coalesce(${fingerprints}::jsonb, event.fingerprints)
    where event.tenant_id = excluded.tenant_id
    returning event.event_id::text as id
  `
  const { rows } = await inTransaction(scope.db, (trx) => write.execute(trx))
  const [written] = rows
  // The id is unique in the installation, so the conflict may be with an event that this tenant
  // must neither see nor change.
  if (written === undefined) throw new InvalidInputError('eventId', `is taken by another event, got ${preview(id)}`)
  return written.id
}
