import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'

/**
 * The tenant's rows of `log_pattern_5m` in the range, as `count`, with their pattern, as `known`, and their resource, as `resource`: what every read of
 * this room begins with.
 */
export function patternCounts(scope: Scope, { resource, range }: { resource?: string; range: TimeRange }) {
  checkedRange(range)
  parse(urnText.optional(), resource, 'resource')
  return scope.db
    .selectFrom(scope.table('log_pattern_5m', 'count'))
    .innerJoin(scope.table('log_pattern', 'known'), (join) =>
      join.onRef('known.tenant_id', '=', 'count.tenant_id').onRef('known.fingerprint_id', '=', 'count.fingerprint_id'),
    )
    .innerJoin(scope.table('dim_resource', 'resource'), (join) =>
      join.onRef('resource.tenant_id', '=', 'count.tenant_id').onRef('resource.resource_id', '=', 'count.resource_id'),
    )
    .where('count.tenant_id', '=', scope.tenantId)
    .where('count.bucket', '>=', range.from)
    .where('count.bucket', '<', range.to)
    .$if(resource !== undefined, (counts) => counts.where('resource.urn', '=', resource!))
}
