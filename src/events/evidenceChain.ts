import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { eventId } from './eventId.ts'

export interface EvidenceChainOptions {
  /** The id of the event. */
  eventId: string
}

/** A piece of an event's evidence, together with the event. */
export interface EvidenceChainRow {
  event_id: string
  /** When the event was detected. */
  detected_at: Date
  severity: string
  /** The kind of event. */
  kind: string
  /** One line for people to read; null if none was given. */
  title: string | null
  /** More text for people to read; null if none was given. */
  summary: string | null
  labels: Json
  /** The resource that the event is about; null if there is none. */
  resource_id: string | null
  /** Its URN. */
  urn: string | null
  /** Null if the event has no evidence; then all following columns are null too. */
  evidence_id: string | null
  /** The subject of the evidence: `metric`, `log`, `trace`, `topo`, `kb`, `call`. */
  dim: string | null
  /** The rows in this database that it points to, as `{ table, keys }`; null if there are none. */
  ref_pg: Json | null
  /** What it shows, for people to read. */
  note: string | null
  /**
   * The kind of raw records, `logs`, `traces` or `metrics`. Null if it points to none; then all
   * following columns are null too.
   */
  dataset: string | null
  /** The object store bucket that holds them. */
  object_bucket: string | null
  /** Their key in that bucket. */
  object_key: string | null
  /** How to find them in the object. */
  query_hint: string | null
  /** The time of the earliest of them. */
  t_from: Date | null
  /** The time of the last of them. */
  t_to: Date | null
}

const evidenceChainOptions = z.strictObject({ eventId })

/**
 * An event with its evidence, oldest link first: the event's text, the rows in this database, and
 * where the raw records are.
 *
 * | | |
 * |---|---|
 * | rows | one for each piece of evidence, each with the event's own columns |
 * | an event without evidence | one row with null evidence columns |
 * | an unknown event | no rows |
 *
 * It is typical query 2 of the schema's source, which omits events without a resource.
 *
 * @throws InvalidInputError if `eventId` is not a UUID.
 * @example
 * const chain = evidenceChain(scope, { eventId })
 * await chain.where('dim', '=', 'trace').execute()
 *
 * // select "link".* from (
 * //   select "event"."event_id", "event"."title", ..., "evidence"."dim", "evidence"."ref_pg", ...,
 * //     "locator"."object_key", ...
 * //   from "public"."event_envelope" as "event" left join "public"."dim_resource" as "resource" on
 * //     ...
 * //   left join "public"."evidence_link" as "evidence" on ... left join "public"."oo_locator" as
 * //     "locator" on ...
 * //   where "event"."tenant_id" = $1 and "event"."event_id" = $2 order by "evidence"."evidence_id"
 * // ) as "link" where "dim" = $3
 */
export function evidenceChain(scope: Scope, options: EvidenceChainOptions): Finished<EvidenceChainRow, 'link'> {
  const { eventId: event } = parseOptions(evidenceChainOptions, options)
  const chain = scope.db
    .selectFrom(scope.table('event_envelope', 'event'))
    .leftJoin(scope.table('dim_resource', 'resource'), (join) =>
      join.onRef('resource.tenant_id', '=', 'event.tenant_id').onRef('resource.resource_id', '=', 'event.resource_id'),
    )
    .leftJoin(scope.table('evidence_link', 'evidence'), (join) =>
      join.onRef('evidence.tenant_id', '=', 'event.tenant_id').onRef('evidence.event_id', '=', 'event.event_id'),
    )
    .leftJoin(scope.table('oo_locator', 'locator'), (join) =>
      join.onRef('locator.tenant_id', '=', 'evidence.tenant_id').onRef('locator.id', '=', 'evidence.ref_oo'),
    )
    .where('event.tenant_id', '=', scope.tenantId)
    .where('event.event_id', '=', event)
    .select([
      'event.event_id as event_id',
      'event.detected_at as detected_at',
      'event.severity as severity',
      'event.kind as kind',
      'event.title as title',
      'event.summary as summary',
      sql<Json>`event.labels`.as('labels'),
      'event.resource_id as resource_id',
      'resource.urn as urn',
      'evidence.evidence_id as evidence_id',
      'evidence.dim as dim',
      sql<Json | null>`evidence.ref_pg`.as('ref_pg'),
      'evidence.note as note',
      'locator.dataset as dataset',
      'locator.bucket as object_bucket',
      'locator.object_key as object_key',
      'locator.query_hint as query_hint',
      'locator.t_from as t_from',
      'locator.t_to as t_to',
    ])
    .orderBy('evidence.evidence_id')
  return finished(scope, chain, 'link')
}
