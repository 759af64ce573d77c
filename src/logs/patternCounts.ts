import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'

/** The rollup tables of counted patterns, the finest first. */
export const patternTables = [
  { table: 'log_pattern_5m', bucket: '5 minutes' },
  { table: 'log_pattern_1h', bucket: '1 hour' },
  { table: 'log_pattern_1d', bucket: '1 day' },
] as const
export type PatternTable = (typeof patternTables)[number]['table']

/**
 * The tenant's rows of `log_pattern_5m`, or of a coarser rollup of it, in the range, as `count`, with their pattern, as `known`, and their resource, as `resource`: what every read of
 * this room begins with.
 */
export function patternCounts(
  scope: Scope,
  { resource, range }: { resource?: string; range: TimeRange },
  table: PatternTable = 'log_pattern_5m',
) {
  checkedRange(range)
  parse(urnText.optional(), resource, 'resource')
  return (
    scope.db
      // The coarser tables have what is read of this one.
      .selectFrom(scope.table(table as 'log_pattern_5m', 'count'))
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
  )
}
