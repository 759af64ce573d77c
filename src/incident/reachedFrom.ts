import { sql, type RawBuilder } from 'kysely'
import { wilsonEnd } from '../calls/wilson.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import type { OddityThresholds } from './oddCalls.ts'

export interface ReachedOptions {
  /** The URN to start from. */
  service: string
  hops: number
  range: TimeRange
  /** When calls are odd. */
  thresholds: Required<OddityThresholds>
}

/**
 * The common table expressions, after those of `oddCalls`, that follow trouble downwards.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `odd_call` | caller, callee and measure that left its normal range and cost something | `src`, `dst`, `trouble`, those of `odd_measure`, `counts` (the part of `lost` that counts), `certain` |
 * | `unmeasured_dependency` | edge of the topology of the range without measured calls | `src`, `dst` |
 * | `kind_of_trouble` | kind of trouble | `trouble`: `latency`, `errors` |
 * | `followed_edge` | edge, and kind of trouble that is followed along it | `src`, `dst`, `trouble` (null: either, and either may result) |
 * | `walked_trouble` | resource, kind of trouble and number of hops by which it was reached | `resource_id`, `trouble`, `depth` |
 * | `reached_trouble` | resource and kind of trouble | `depth`: the smallest |
 * | `reached_resource` | resource | `depth`: the smallest |
 *
 * A call that certainly did not change carries no trouble and is not followed. A call that may be
 * odd is followed, even if there are too few calls to know, or none in one window. Dependencies
 * without measured calls are followed too.
 */
export function reachedFrom(scope: Scope, { service, hops, range, thresholds }: ReachedOptions): RawBuilder<unknown> {
  const { latencyFactor, latencyRiseMs, errorFactor, errorRise, minCalls } = thresholds
  return sql`odd_call as (
      select
        src, dst, case measure when 'err_rate' then 'errors' else 'latency' end as trouble, measure, expected, actual,
        lost,
        -- A new call has no baseline that it could leave: its caller is the likelier cause, and the
        -- call does not excuse it.
        case when calls_before = 0::float8 then 0.5 else 1 end as counts,
        certain
      from odd_measure
      where src <> dst and lost > 0::float8
    ), unmeasured_dependency as (
      select distinct edge.src_resource_id as src, edge.dst_resource_id as dst
      from ${scope.id('topo_edge_time')} as edge
      where edge.tenant_id = ${scope.tenantId}::int8
        and edge.valid operator(pg_catalog.&&) tstzrange(${range.from}::timestamptz, ${range.to}::timestamptz)
        and edge.src_resource_id <> edge.dst_resource_id
        -- One lookup in a hash, not a join: the planner expects few calls, and would compare each edge
        -- with each of them.
        and (
          (edge.src_resource_id, edge.dst_resource_id) in (select call.src, call.dst from compared_call as call where call.calls > 0::float8)
        ) is not true
    ), kind_of_trouble (trouble) as (
      values ('latency'), ('errors')
    ), followed_edge (src, dst, trouble) as (
      -- At an odd call waiting turns into failures and back: either kind continues as either.
      select src, dst, null from odd_call
      union
      select src, dst, trouble from unmeasured_dependency cross join kind_of_trouble
      union
      select src, dst, trouble
      from compared_call
      cross join kind_of_trouble
      where src <> dst and calls > 0::float8 and (
        calls_before = 0::float8 or calls < ${minCalls}::float8
        or case trouble
          when 'latency' then most_now * 1.1::float8 > greatest(least_before * ${latencyFactor}::float8, least_before + ${latencyRiseMs}::float8)
          else ${wilsonEnd('+', sql`(errors / calls)`, sql`calls`)}
            > greatest(errors_before / calls_before * ${errorFactor}::float8, errors_before / calls_before + ${errorRise}::float8)
        end
      )
    ), walked_trouble (resource_id, trouble, depth) as (
      -- Pairs, not paths: a dense graph has few pairs and very many paths.
      select resource_id, kind_of_trouble.trouble, 0
      from ${scope.id('dim_resource')}
      cross join kind_of_trouble
      where tenant_id = ${scope.tenantId}::int8 and urn = ${service} and ${requireResources(scope, [service])}
      union
      select edge.dst, kind_of_trouble.trouble, walked.depth + 1
      from walked_trouble as walked
      join followed_edge as edge on edge.src = walked.resource_id and coalesce(edge.trouble, walked.trouble) = walked.trouble
      join kind_of_trouble on kind_of_trouble.trouble = coalesce(edge.trouble, kind_of_trouble.trouble)
      where walked.depth < ${hops}::int4
    ), reached_trouble as (
      select resource_id, trouble, min(depth) as depth from walked_trouble group by resource_id, trouble
    ), reached_resource as (
      select resource_id, min(depth) as depth from reached_trouble group by resource_id)`
}
