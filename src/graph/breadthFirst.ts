import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'

export interface BreadthFirstOptions {
  /** URNs to start from. */
  from: readonly string[]
  /** The number of levels; null: until nothing new is found. */
  hops: number | null
}

/**
 * The member `level (depth, ids, via, urns, visited)` of a `with recursive`, over the member
 * `edge (src, dst)`: a breadth-first search with one row for each level.
 *
 * `ids`, `via` and `urns` have equal length: the resources first met at that depth, where each was
 * met from (the lowest id of several), and its URN. `visited` is all that was met so far. Level 0
 * holds the starts. Only resources of the tenant are met and walked through. No vertex is expanded
 * twice, so each edge that leaves a reached vertex is read once, in any graph.
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
 * The resources that a step of a search reaches and that are not in `seen`: `step (id, via)`,
 * joined with its `resource` of the tenant. `via` is where it came from; of several, the lowest id.
 *
 * @param options `steps` selects the two ends of each edge, `seen` is an array. New and seen ids
 * are grouped together, because a join would be planned on a guess of the array's length.
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
