import { sql, type RawBuilder } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceOf } from '../database/sql/ofTenant.ts'
import { currentPattern } from './patternCounts.ts'

/**
 * Pairs of `resource_id` and `fingerprint_id` that were first seen in a range, under the id that
 * the pattern has now. One that is part of the same pattern may have been seen before:
 * {@link seenSince} knows.
 */
export const seenFirstDuring = (scope: Scope, { range, resource }: { range: TimeRange; resource?: string | undefined }) =>
  sql`(
    select seen.resource_id, ${currentPattern(scope, 'seen.fingerprint_id')} as fingerprint_id
    from ${scope.id('dim_resource')} as logging
    cross join lateral (
      select each.resource_id, each.fingerprint_id
      from ${scope.id('log_pattern_seen')} as each
      where each.resource_id = logging.resource_id and (each.tenant_id = ${scope.tenantId}::int8) is true
        and each.first_seen >= ${range.from}::timestamptz and each.first_seen < ${range.to}::timestamptz
      offset 0
    ) as seen
    where logging.tenant_id = ${scope.tenantId}::int8
      ${resource === undefined ? sql`` : sql`and logging.resource_id = ${resourceOf(scope, resource)}`}
  )`

/** When a resource first logged a pattern, or one that is part of it: a row with `first_seen`. */
export const seenSince = (scope: Scope, { resourceId, fingerprintId }: Record<'resourceId' | 'fingerprintId', string>) =>
  sql<{ first_seen: Date | null }>`(
    select pg_catalog.min(seen.first_seen) as first_seen
    from ${scope.id('log_pattern')} as part
    cross join lateral (
      select each.first_seen
      from ${scope.id('log_pattern_seen')} as each
      where each.fingerprint_id = part.fingerprint_id and each.resource_id = ${sql.ref(resourceId)} and (each.tenant_id = ${scope.tenantId}::int8) is true
      offset 0
    ) as seen
    where part.tenant_id = ${scope.tenantId}::int8
      and (part.fingerprint_id = ${sql.ref(fingerprintId)} or part.redirect_id = ${sql.ref(fingerprintId)})
  )`

/** When the logs of a resource begin: the first record of any of its patterns. */
export const logsSince = (scope: Scope, resourceId: string): RawBuilder<Date | null> =>
  sql<Date | null>`(
    select pg_catalog.min(seen.first_seen) from ${scope.id('log_pattern_seen')} as seen
    where seen.resource_id = ${sql.ref(resourceId)} and (seen.tenant_id = ${scope.tenantId}::int8) is true
  )`
