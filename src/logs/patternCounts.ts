import { sql, type RawBuilder, type Selectable } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceOf } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import type { DB } from '../schema/tables.ts'

/**
 * The tenant's rows of `log_pattern_5m`, or of a rollup of it, in the range as `count`, with the
 * pattern that they are of now. Every read of this room starts with it, adds them up by their ids,
 * and then looks up patterns and resources (`rowOf`).
 *
 * @param counts the source: `log_pattern_5m`, or a table with its columns.
 */
export function patternCounts(
  scope: Scope,
  { resource, fingerprintId, range }: { resource?: string; fingerprintId?: string; range: TimeRange },
  counts: RawBuilder<Selectable<DB['log_pattern_5m']>> = sql`${scope.id('log_pattern_5m')}`,
) {
  const current = scope.db
    .selectFrom(counts.as('count'))
    .where('count.tenant_id', '=', scope.tenantId)
    .where('count.bucket', '>=', range.from)
    .where('count.bucket', '<', range.to)
    .$if(resource !== undefined, (counts) =>
      counts.where('count.resource_id', '=', resourceOf(scope, resource!)).where(requireResources(scope, [resource!])),
    )
    .$if(fingerprintId !== undefined, (counts) => counts.where(isOf(scope, fingerprintId!)))
    .select(['count.bucket', 'count.resource_id', currentPattern(scope, 'count.fingerprint_id').as('fingerprint_id')])
    .select(['count.count_total', 'count.count_error'])
  return scope.db.selectFrom(current.as('count'))
}

/**
 * The id of the pattern that a pattern has become part of, or its own. Those that redirect are few:
 * they are found once (`is true`), and only their rows are looked up.
 */
export const currentPattern = (scope: Scope, id: string) => sql<string>`case
  when (${sql.ref(id)} in (
    select merged.fingerprint_id from ${scope.id('log_pattern')} as merged
    where merged.tenant_id = ${scope.tenantId}::int8 and merged.redirect_id is not null
  )) is true
  then (select merged.redirect_id from ${scope.id('log_pattern')} as merged where merged.fingerprint_id = ${sql.ref(id)})
  else ${sql.ref(id)}
end`

/** Whether a count is of a pattern, or of one that is part of the same: an array, so that an index finds them. */
const isOf = (scope: Scope, fingerprintId: string) => sql<boolean>`count.fingerprint_id = any (array(
  select part.fingerprint_id
  from ${scope.id('log_pattern')} as given
  join ${scope.id('log_pattern')} as part
    on part.fingerprint_id = coalesce(given.redirect_id, given.fingerprint_id) or part.redirect_id = coalesce(given.redirect_id, given.fingerprint_id)
  where given.tenant_id = ${scope.tenantId}::int8 and part.tenant_id = ${scope.tenantId}::int8 and given.fingerprint_id = ${fingerprintId}::int8
))`
