import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { breadthFirst } from '../graph/breadthFirst.ts'
import type { EdgeRow } from '../graph/edgeFrame.ts'
import { walkedEdges } from '../graph/walkedEdges.ts'

/**
 * The common table expressions, after those of `reachedFrom` and `askedOf`, for the resources whose
 * own doings are looked at: all that the service depends on, whether or not calls to them are odd.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `edge` | caller and callee of either window, and dependency without measured calls | `src`, `dst` |
 * | `level`, `met` | step of a breadth-first search from the service, and resource that it met | `id`, `depth`, `via`, `urn` |
 * | `no_graph` | the statement | `is_so`: nothing says who depends on whom, so all resources of the tenant are looked at |
 * | `searched_resource` | resource | `resource_id` |
 */
export function searchedFrom(scope: Scope, { service, hops }: { service: string; hops: number }): RawBuilder<unknown> {
  const known = sql<EdgeRow>`(
      select src, dst, null::float8 as weight
      from (select src, dst from counted_call where calls > 0::float8 union select src, dst from unmeasured_dependency) as either
    )`
  return sql`${walkedEdges(scope, scope.db.selectFrom(known.as('known')).selectAll('known'), 'out')},
    ${breadthFirst(scope, { from: [service], hops })},
    met as materialized (
      select level.depth, found.* from level cross join lateral unnest(level.ids, level.via, level.urns) as found (id, via, urn)
    ), no_graph as (
      select not exists (select from edge) as is_so
    ), searched_resource as materialized (
      select id as resource_id from met
      union
      select resource_id from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}::int8 and (select is_so from no_graph)
    )`
}

/**
 * The common table expressions, after those of `accounts`, for what resources do differently.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `changed_doing` | resource, and what it logs or calls | `resource_id`, `share`: of its requests |
 * | `changed_resource` | searched resource that does something else | `share`, 0..1 |
 * | `own_change` | the same | `share`: less what happens below it |
 * | `path_to_change` | resource that was met, if there is any change | `resource_id`, `urns` |
 *
 * What is logged and called are views of the same requests: the largest share counts. A metric of
 * CPU or saturation is a view of its own. If nothing says who depends on whom, metrics of latency
 * and errors count half, because any resource may wait for any; so does silence, because a job may
 * have ended.
 */
export function changedResources(scope: Scope): RawBuilder<unknown> {
  return sql`changed_doing as (
      select resource_id, share from pattern_change
      union all
      -- More calls may be a retry, or other requests: fewer are a request that ended early.
      select src, share from shape_change where actual < expected
      union all
      select resource_id, share * case when (select is_so from no_graph) then 0.5::float8 else 1::float8 end from silent_resource
    ), changed_resource as materialized (
      select resource_id, 1::float8 - (1::float8 - max(doing)) * (1::float8 - max(metric)) as share
      from (
        select resource_id, share as doing, 0::float8 as metric from changed_doing
        union all
        select resource_id, 0::float8, share * case when kind in ('cpu', 'saturation') then 1::float8 else 0.5::float8 end
        from departed_metric
        where kind in ('cpu', 'saturation') or (select is_so from no_graph)
      ) as change
      where resource_id in (select resource_id from searched_resource)
      group by resource_id
      having greatest(max(doing), max(metric)) > 0::float8
    ), troubled_resource as (
      select resource_id, 1::float8 - (1::float8 - max(change)) * (1::float8 - max(loss)) as share
      from (
        select resource_id, share as change, 0::float8 as loss from changed_resource
        union all
        select resource_id, 0::float8, likely from scored_trouble
      ) as trouble
      group by resource_id
    ), own_change as (
      select changed.resource_id, changed.share * (1::float8 - coalesce(max(below.share), 0::float8)) as share
      from changed_resource as changed
      left join edge on edge.src = changed.resource_id and edge.dst <> changed.resource_id
      left join troubled_resource as below on below.resource_id = edge.dst
      group by changed.resource_id, changed.share
    ), path_to_change as (
      select trail.id as resource_id, trail.path as urns
      from (
        select pg_catalog.array_agg(id) as ids, pg_catalog.array_agg(via) as via, pg_catalog.array_agg(urn) as urns
        from met
        where exists (select from own_change)
      ) as found
      cross join lateral ${scope.id('graph_trails')}(found.ids, found.via, found.urns) as trail
    )`
}
