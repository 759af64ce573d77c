import { sql, type RawBuilder, type Selectable } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceOf } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import type { DB } from '../schema/tables.ts'

/**
 * The tenant's rows of `log_pattern_5m`, or of a rollup of it, in the range as `count`. Every read
 * of this room starts with it, adds them up by their ids, and then looks up patterns and resources
 * (`rowOf`).
 *
 * @param counts the source: `log_pattern_5m`, or a table with its columns.
 */
export function patternCounts(
  scope: Scope,
  { resource, range }: { resource?: string; range: TimeRange },
  counts: RawBuilder<Selectable<DB['log_pattern_5m']>> = sql`${scope.id('log_pattern_5m')}`,
) {
  return scope.db
    .selectFrom(counts.as('count'))
    .where('count.tenant_id', '=', scope.tenantId)
    .where('count.bucket', '>=', range.from)
    .where('count.bucket', '<', range.to)
    .$if(resource !== undefined, (counts) =>
      counts.where('count.resource_id', '=', resourceOf(scope, resource!)).where(requireResources(scope, [resource!])),
    )
}
