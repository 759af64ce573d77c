import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { eventId } from './eventId.ts'

/**
 * An event with its evidence, oldest link first: what it says, what it points to in this database, and where the raw records lie.
 *
 * One row per piece of evidence, each with the event's own columns. An event without evidence gives one row whose evidence columns are null; one
 * about no resource has null in `resource_id` and `urn`. `ref_pg` is `{ table, keys }`; `dataset`, `bucket`, `object_key`, `query_hint`, `t_from`
 * and `t_to` are the locator's, null where the evidence has none. No such event: no rows. It is typical query 2 of the schema's source, which
 * loses the events that are about no resource.
 *
 * @throws InvalidInputError when `event` is not a UUID.
 * @example
 * const chain = evidenceChain(scope, { event })
 * await chain.where('dim', '=', 'trace').execute()
 *
 * // select "link".* from (
 * //   select "event"."event_id", "event"."title", ..., "evidence"."dim", "evidence"."ref_pg", ..., "locator"."object_key", ...
 * //   from "public"."event_envelope" as "event" left join "public"."dim_resource" as "resource" on ...
 * //   left join "public"."evidence_link" as "evidence" on ... left join "public"."oo_locator" as "locator" on ...
 * //   where "event"."tenant_id" = $1 and "event"."event_id" = $2 order by "evidence"."evidence_id"
 * // ) as "link" where "dim" = $3
 */
export function evidenceChain(scope: Scope, { event }: { event: string }) {
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
    .where('event.event_id', '=', parse(eventId, event, 'event'))
    .select([
      'event.event_id as event_id',
      'event.detected_at as detected_at',
      'event.severity as severity',
      'event.kind as kind',
      'event.title as title',
      'event.summary as summary',
      'event.labels as labels',
      'event.resource_id as resource_id',
      'resource.urn as urn',
      'evidence.evidence_id as evidence_id',
      'evidence.dim as dim',
      'evidence.ref_pg as ref_pg',
      'evidence.note as note',
      'locator.dataset as dataset',
      'locator.bucket as bucket',
      'locator.object_key as object_key',
      'locator.query_hint as query_hint',
      'locator.t_from as t_from',
      'locator.t_to as t_to',
    ])
    .orderBy('evidence.evidence_id')
  return finished(scope, chain, 'link')
}
