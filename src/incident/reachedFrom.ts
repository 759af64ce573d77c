import { sql, type RawBuilder } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { wilson, type OddityThresholds } from './oddCalls.ts'

export interface ReachedOptions {
  /** The URN to set out from. */
  service: string
  hops: number
  range: TimeRange
  /** From when on calls are odd. */
  thresholds: Required<OddityThresholds>
}

/**
 * The common table expressions, after those of `oddCalls`, that follow trouble down: `odd_call`,
 * the odd calls between two resources; `depends`, the topology's edges of the range along which
 * nobody measured calls; `step`, what is followed, and of which `trouble` (null: either); `walk`,
 * who is reached by which trouble; `met`, one row for each of its resources and kinds of trouble,
 * and `reached`, one for each of its resources, with the least `depth`.
 *
 * A call that is sure to be as ever carries no trouble, so it is not followed. One that may well be
 * odd is, though it cannot be shown: there were too few calls to tell, or none in one of the
 * windows; so is what nobody measured.
 */
export function reachedFrom(scope: Scope, { service, hops, range, thresholds }: ReachedOptions): RawBuilder<unknown> {
  const { latencyFactor, latencyRiseMs, errorFactor, errorRise, minCalls } = thresholds
  return sql`odd_call as (
      select
        src, dst, case measure when 'err_rate' then 'errors' else 'latency' end as trouble, measure, expected, actual,
        lost,
        -- A call that is new has left nothing: who began to make it is likelier to blame, and it is no excuse.
        case when calls_before = 0::float8 then 0.5 else 1 end as counts
      from odd
      where src <> dst and lost > 0::float8
    ), depends as (
      select distinct edge.src_resource_id as src, edge.dst_resource_id as dst
      from ${scope.id('topo_edge_time')} as edge
      where edge.tenant_id = ${scope.tenantId}::int8
        and edge.valid operator(pg_catalog.&&) tstzrange(${range.from}::timestamptz, ${range.to}::timestamptz)
        and edge.src_resource_id <> edge.dst_resource_id
        and not exists (
          select from compared where compared.src = edge.src_resource_id and compared.dst = edge.dst_resource_id and compared.calls > 0::float8
        )
    ), kind (trouble) as (
      values ('latency'), ('errors')
    ), step (src, dst, trouble) as (
      -- Waiting turns into failures and back where a call is odd: whatever came there goes on as either.
      select src, dst, null from odd_call
      union
      select src, dst, trouble from depends cross join kind
      union
      select src, dst, trouble
      from compared
      cross join kind
      where src <> dst and calls > 0::float8 and (
        calls_before = 0::float8 or calls < ${minCalls}::float8
        or case trouble
          when 'latency' then most_now * 1.1::float8 > greatest(least_before * ${latencyFactor}::float8, least_before + ${latencyRiseMs}::float8)
          else ${wilson('+', sql`(errors / calls)`, sql`calls`)}
            > greatest(errors_before / calls_before * ${errorFactor}::float8, errors_before / calls_before + ${errorRise}::float8)
        end
      )
    ), walk (resource_id, trouble, depth) as (
      -- Pairs, not paths: in a dense graph there are few of the former and very many of the latter.
      select resource_id, kind.trouble, 0
      from ${scope.id('dim_resource')}
      cross join kind
      where tenant_id = ${scope.tenantId}::int8 and urn = ${service}
      union
      select step.dst, kind.trouble, walk.depth + 1
      from walk
      join step on step.src = walk.resource_id and coalesce(step.trouble, walk.trouble) = walk.trouble
      join kind on kind.trouble = coalesce(step.trouble, kind.trouble)
      where walk.depth < ${hops}::int4
    ), met as (
      select resource_id, trouble, min(depth) as depth from walk group by resource_id, trouble
    ), reached as (
      select resource_id, min(depth) as depth from met group by resource_id)`
}
