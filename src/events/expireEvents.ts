import { sql, type Kysely } from 'kysely'
import { asOwner } from '../database/transaction/asOwner.ts'
import type { Installation } from '../database/installation/installation.ts'

/** The most rows that one transaction deletes. */
const batch = 1_000

/** What was deleted, and where to continue: after the last row that was read. */
export interface ExpiredEvents {
  readonly events: number
  readonly next: EventCursor | null
}

export interface EventCursor {
  readonly detectedAt: string
  readonly eventId: string
}

/**
 * Deletes a tenant's events detected before `before`, with their evidence: the oldest first, in
 * transactions of one statement and at most a thousand events.
 *
 * An event is open if its label `status` is anything but `closed` or `resolved`, in upper or lower
 * case. An event without the label is not open. The evidence of an open event is kept together,
 * whatever its age:
 *
 * - the event itself;
 * - an event that its evidence names (`refPg: { table: 'event_envelope', ... }`), or whose evidence
 *   names it;
 * - an event with evidence in the same raw records, that is, a common locator.
 *
 * A row that another transaction is changing is left for the next run.
 */
export async function expireEvents(
  db: Kysely<{}>,
  { schema }: Pick<Installation, 'schema'>,
  tenantId: string,
  before: Date,
  after: EventCursor | null,
): Promise<ExpiredEvents> {
  const event = sql.id(schema, 'event_envelope')
  const evidence = sql.id(schema, 'evidence_link')
  const isOpen = (alias: string) => sql`lower(${sql.ref(`${alias}.labels`)} ->> 'status') not in ('closed', 'resolved')`
  // In any form: attachEvidence writes a UUID in one form only, but other programs may have written
  // evidence too.
  const names = (link: string, named: string) =>
    sql`${sql.ref(`${link}.ref_pg`)} ->> 'table' = 'event_envelope'
      and lower(translate(${sql.ref(`${link}.ref_pg`)} -> 'keys' ->> 'event_id', ' {}-', '')) = replace(${sql.ref(`${named}.event_id`)}::text, '-', '')`
  const expire = sql<{ deleted: number; detectedAt: string | null; eventId: string | null }>`
    with open_event as materialized (
      select event.event_id
      from ${event} as event
      where event.tenant_id = ${tenantId}::int8 and ${isOpen('event')}
    ), bundle as materialized (
      select link.ref_pg, link.ref_oo
      from open_event
      join ${evidence} as link on link.tenant_id = ${tenantId}::int8 and link.event_id = open_event.event_id
    ), old as (
      select event.event_id, event.detected_at
      from ${event} as event
      where event.tenant_id = ${tenantId}::int8
        and event.detected_at < ${before.toISOString()}::timestamptz
        and (event.detected_at, event.event_id) > (${after?.detectedAt ?? '-infinity'}::timestamptz, ${after?.eventId ?? '00000000-0000-0000-0000-000000000000'}::uuid)
        and (${isOpen('event')}) is not true
        and not exists (select from bundle where ${names('bundle', 'event')})
        and not exists (
          select from ${evidence} as link
          where link.tenant_id = event.tenant_id and link.event_id = event.event_id and (
            exists (select from bundle where bundle.ref_oo = link.ref_oo)
            or exists (select from open_event where ${names('link', 'open_event')})
          )
        )
      order by event.detected_at, event.event_id
      limit ${batch}::int8
      for update of event skip locked
    ), deleted as (
      delete from ${event} as event using old where event.event_id = old.event_id returning event.detected_at, event.event_id
    )
    select
      count(*) over ()::float8 as deleted,
      detected_at::text as "detectedAt",
      event_id::text as "eventId"
    from deleted
    order by detected_at desc, event_id desc
    limit 1
  `
  const { rows } = await asOwner(db, { schema }, (trx) => expire.execute(trx))
  const [last] = rows
  if (last === undefined) return { events: 0, next: null }
  return { events: last.deleted, next: last.deleted < batch ? null : { detectedAt: last.detectedAt!, eventId: last.eventId! } }
}
