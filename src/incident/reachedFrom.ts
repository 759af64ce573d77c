import { sql, type RawBuilder } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'

export interface ReachedOptions {
  /** The URN to set out from. */
  service: string
  hops: number
  now: TimeRange
  /** Fewer calls than this say nothing. */
  minCalls: number
}

/**
 * The common table expressions, after those of `oddCalls`, that follow trouble down: `odd_call`, the odd calls between two resources; `depends`, the topology's edges of the range along which nobody
 * measured calls; `step`, what is followed; and `reached`, one row for each resource that comes into question, with its least `depth`.
 *
 * A call that was measured and is as ever carries no trouble, so it is not followed. What was not measured, in either window or not often enough, may, and is.
 */
export function reachedFrom(scope: Scope, { service, hops, now, minCalls }: ReachedOptions): RawBuilder<unknown> {
  return sql`odd_call as (
      select
        src, dst, case measure when 'err_rate' then 'errors' else 'latency' end as trouble, measure, expected, actual,
        lost,
        -- A call that is new has left nothing: who began to make it is likelier to blame, and it is no excuse.
        case when calls_before = 0 then 0.5 else 1 end as counts
      from odd
      where src <> dst and lost > 0
    ), depends as (
      select distinct edge.src_resource_id as src, edge.dst_resource_id as dst
      from ${scope.id('topo_edge_time')} as edge
      where edge.tenant_id = ${scope.tenantId}::int8
        and edge.valid && tstzrange(${now.from}::timestamptz, ${now.to}::timestamptz)
        and edge.src_resource_id <> edge.dst_resource_id
        and not exists (
          select from compared where compared.src = edge.src_resource_id and compared.dst = edge.dst_resource_id and compared.calls > 0
        )
    ), step as (
      select src, dst from odd_call
      union
      select src, dst from depends
      union
      select src, dst from compared where src <> dst and calls > 0 and (calls_before = 0 or calls < ${minCalls}::int4)
    ), walk (resource_id, depth) as (
      -- Pairs, not paths: in a dense graph there are few of the former and very many of the latter.
      select resource_id, 0 from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}::int8 and urn = ${service}
      union
      select step.dst, walk.depth + 1 from walk join step on step.src = walk.resource_id where walk.depth < ${hops}::int4
    ), reached as (
      select resource_id, min(depth) as depth from walk group by resource_id)`
}
