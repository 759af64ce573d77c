import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'

export interface BreadthFirstOptions {
  /** URNs. */
  from: readonly string[]
  /** After how many levels to stop; null: when nothing new is found. */
  hops: number | null
}

/**
 * The member `level (depth, ids, via, urns, visited)` of a `with recursive`, over the member
 * `edge (src, dst)`: a breadth-first search, one row a level.
 *
 * `ids`, `via` and `urns` are of equal length: what was met at that depth for the first time, from
 * where (of several, the lowest id), and its URN; `visited` is all that was met so far. Level 0 is
 * the starts. Only resources of the tenant are met, so nothing is walked through but them. No
 * vertex is expanded twice, so the work is one look at each edge that leaves what is reached,
 * however dense or cyclic the graph is.
 */
export const breadthFirst = (scope: Scope, { from, hops }: BreadthFirstOptions): RawBuilder<unknown> => sql`
  level (depth, ids, via, urns, visited) as (
    select 0, pg_catalog.array_agg(start.resource_id), null::int8[], pg_catalog.array_agg(start.urn), pg_catalog.array_agg(start.resource_id)
    from ${scope.id('dim_resource')} as start
    where start.tenant_id = ${scope.tenantId}::int8 and start.urn = any(${from}::text[]) and ${requireResources(scope, from)}
    union all
    select level.depth + 1, next.ids, next.via, next.urns, pg_catalog.array_cat(level.visited, next.ids)
    from level
    cross join lateral (
      select pg_catalog.array_agg(step.id) as ids, pg_catalog.array_agg(step.via) as via, pg_catalog.array_agg(resource.urn) as urns
      from ${firstMet(scope, {
        steps: sql`select edge.dst, at.id from pg_catalog.unnest(level.ids) as at (id) join edge on edge.src = at.id`,
        seen: sql`level.visited`,
      })}
    ) as next
    where ${hops === null ? sql`` : sql`level.depth < ${hops}::int4 and`} next.ids is not null
  )
`

/**
 * What a search comes to that it has not `seen`: `step (id, via)`, from where (of several, the
 * lowest id), joined with its `resource` of the tenant.
 *
 * @param options `steps` selects where an edge leads and where it comes from, `seen` is an array.
 * What was met before is told from what is new by grouping both together, because a join would be
 * planned on a guess of how long an array is.
 */
export const firstMet = (
  scope: Scope,
  { steps, seen }: { steps: RawBuilder<unknown>; seen: RawBuilder<unknown> },
): RawBuilder<unknown> => sql`(
        select met.id, min(met.via)
        from (
          ${steps}
          union all
          select seen.id, null from pg_catalog.unnest(${seen}) as seen (id)
        ) as met (id, via)
        group by met.id
        having count(*) = pg_catalog.count(met.via)
      ) as step (id, via)
      join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = step.id`
