import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { firstMet } from './breadthFirst.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
import { hopCount } from './hops.ts'
import { columnName, shortestPaths } from './shortestPaths.ts'
import { walkDirection, walkedEdges, type WalkDirection } from './walkedEdges.ts'

export interface ShortestPathOptions<Row extends EdgeRow = EdgeRow> {
  /** URN of the first resource. */
  from: string
  /** URN of the last resource. */
  to: string
  /**
   * The column of the frame with the length of an edge, such as `p95_ms`. Default: every edge has
   * length 1.
   */
  length?: keyof Row & string
  /**
   * `out` (the default) follows the edges, `in` goes against them, `both` ignores their direction.
   */
  direction?: WalkDirection
  /**
   * The most edges in a path. Default and maximum 100. Not allowed with `length`, where a path may
   * have any number of edges.
   */
  hops?: number
}

export interface PathStep {
  /** From 0, the first resource. */
  step: number
  resource_id: string
  urn: string
  /** The length of the edge that leads here; null at the first resource. */
  length: number | null
  /** The sum of the lengths up to here; 0 at the first resource. */
  cost: number
}

const shortestPathOptions = z.strictObject({
  from: urnText,
  to: urnText,
  length: columnName.optional(),
  direction: walkDirection.default('out'),
  hops: hopCount.optional(),
})

/**
 * The shortest path between two resources along the edges of any frame: one row for each step,
 * ordered by `step`. No rows if there is no path. The path from a resource to itself has one step.
 *
 * | | without `length` | with `length` |
 * |---|---|---|
 * | the path has | the fewest edges | the smallest sum of lengths |
 * | of several | as in {@link reach}: at each step back from the end, the lowest id | the fewest edges, then the lowest ids from the start on |
 * | algorithm | breadth-first search from both ends, which meets in the middle | Dijkstra, A Note on Two Problems in Connexion with Graphs, 1959 |
 *
 * - If several edges connect the same two resources, the shortest counts.
 * - An edge whose length is null, NaN or infinite is not walked. A negative length that the search
 *   can reach is an error of the database.
 * - Ends of edges that are not resources of the tenant are not walked through.
 * - As in {@link reach}, a frame that is a plain filter over one table is read by its index.
 *
 * @throws InvalidInputError if an option is out of its range, or if both `hops` and `length` are
 * given.
 * @example
 * const slow = activeCalls(scope).where('p95_ms', '>', 100)
 * await shortestPath(scope, slow, { from: 'urn:k8s:svc:shop/front', to: 'urn:k8s:svc:shop/payment', length: 'p95_ms' }).execute()
 * // [{ step: 0, urn: 'urn:k8s:svc:shop/front', length: null, cost: 0, ... }, { step: 1, urn:
 * //   'urn:k8s:svc:shop/checkout', length: 180, cost: 180, ... }, ...]
 *
 * // select "stop".* from (
 * //   select walk.step, resource.resource_id, resource.urn, walk.edge_length as length, walk.cost
 * //   from (
 * //     with recursive frame as not materialized (...), ..., reached (ids) as (...)
 * //     select walk.* from reached ... cross join lateral "public"."graph_shortest_paths"(...) as
 * //       walk
 * //   ) as walk
 * //   join "public"."dim_resource" as resource on ... order by walk.step
 * // ) as "stop"
 */
export function shortestPath<Row extends EdgeRow>(
  scope: Scope,
  edges: EdgeFrame<Row>,
  options: ShortestPathOptions<Row>,
): Finished<PathStep, 'stop'> {
  const { from, to, length, direction, hops } = parseOptions(shortestPathOptions, options)
  if (length !== undefined && hops !== undefined) {
    throw new InvalidInputError('hops', `must not be given with length, got hops ${hops} and length ${length}`)
  }
  const walk =
    length === undefined
      ? fewestEdges(scope, edges, { from, to, direction, hops: hops ?? 100 })
      : shortestPaths(scope, edges, { from, to, paths: 1, length, direction, hops: null })
  const stops = sql<PathStep>`(
    select walk.step, resource.resource_id, resource.urn, walk.edge_length as length, walk.cost
    from ${walk} as walk
    join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = walk.id
    order by walk.step
  )`
  return finished(scope, stops, 'stop')
}

/**
 * A breadth-first search from both ends, which expands the smaller frontier at each step. A row of
 * `search` holds the ids that are new on one side and where each was first met from (in the first
 * row, on both sides). The sides have met when new ids are among the other side's last ones. `tail`
 * then continues from the meeting point along what the other side has found. Every vertex on the
 * way now knows the lowest id that reaches it in time, and `way` follows these ids back from the
 * end.
 */
const fewestEdges = (
  scope: Scope,
  edges: EdgeFrame,
  { from, to, direction, hops }: { from: string; to: string; direction: WalkDirection; hops: number },
): RawBuilder<unknown> => sql`(
  with recursive ${walkedEdges(scope, edges, direction)},
  ends as materialized (
    select source.resource_id as source, target.resource_id as target
    from ${scope.id('dim_resource')} as source
    join ${scope.id('dim_resource')} as target on target.tenant_id = source.tenant_id and target.urn = ${to}
    where source.tenant_id = ${scope.tenantId}::int8 and source.urn = ${from} and ${requireResources(scope, [from, to])}
  ),
  search (forward, out_depth, out_ids, out_via, out_seen, in_depth, in_ids, in_seen, met) as (
    select
      null::bool, 0, array[source], null::int8[], array[source], 0, array[target], array[target], case when source = target then array[source] end
    from ends
    union all
    select
      turn.forward,
      search.out_depth + case when turn.forward then 1 else 0 end,
      case when turn.forward then next.ids else search.out_ids end,
      case when turn.forward then next.via else search.out_via end,
      case when turn.forward then pg_catalog.array_cat(search.out_seen, next.ids) else search.out_seen end,
      search.in_depth + case when turn.forward then 0 else 1 end,
      case when turn.forward then search.in_ids else next.ids end,
      case when turn.forward then search.in_seen else pg_catalog.array_cat(search.in_seen, next.ids) end,
      met.ids
    from search
    cross join lateral (select pg_catalog.cardinality(search.out_ids) <= pg_catalog.cardinality(search.in_ids) as forward) as turn
    cross join lateral (
      select pg_catalog.array_agg(step.id) as ids, pg_catalog.array_agg(step.via) as via
      from ${firstMet(scope, {
        steps: sql`select edge.dst, at.id from pg_catalog.unnest(case when turn.forward then search.out_ids end) as at (id) join edge on edge.src = at.id
          union all
          select edge.src, at.id from pg_catalog.unnest(case when turn.forward then null else search.in_ids end) as at (id) join edge on edge.dst = at.id`,
        seen: sql`case when turn.forward then search.out_seen else search.in_seen end`,
      })}
    ) as next
    cross join lateral (
      select pg_catalog.array_agg(here.id) as ids
      from pg_catalog.unnest(next.ids) as here (id)
      join pg_catalog.unnest(case when turn.forward then search.in_ids else search.out_ids end) as there (id) on there.id = here.id
    ) as met
    where search.met is null and next.ids is not null and search.out_depth + search.in_depth < ${hops}::int4
  ),
  meeting as materialized (select out_depth, out_depth + in_depth as hops, met from search where met is not null),
  tail (depth, ids, via) as (
    select out_depth, met, null::int8[] from meeting
    union all
    select tail.depth + 1, next.ids, next.via
    from tail
    cross join meeting
    join search on search.forward is not true and search.in_depth = meeting.hops - tail.depth - 1
    cross join lateral (
      select pg_catalog.array_agg(step.id) as ids, pg_catalog.array_agg(step.via) as via
      from (
        select met.id, min(met.via)
        from (
          select edge.dst, at.id from pg_catalog.unnest(tail.ids) as at (id) join edge on edge.src = at.id
          union all
          select ahead.id, null from pg_catalog.unnest(search.in_ids) as ahead (id)
        ) as met (id, via)
        group by met.id
        having pg_catalog.count(met.via) between 1 and count(*) - 1
      ) as step (id, via)
    ) as next
  ),
  found (depth, ids, via) as (
    select out_depth, out_ids, out_via from search where forward
    union all
    select depth, ids, via from tail where via is not null
  ),
  way (step, id) as (
    select meeting.hops, ends.target from meeting cross join ends
    union all
    select way.step - 1, before.id
    from way
    join found on found.depth = way.step
    cross join lateral (select via.id from unnest(found.ids, found.via) as via (at, id) where via.at = way.id) as before
  )
  select way.step, way.id, case when way.step > 0 then 1::float8 end as edge_length, way.step::float8 as cost from way
)`
