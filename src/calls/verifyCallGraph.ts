import { sql } from 'kysely'
import { finished, type Finished } from '../database/finished.ts'
import { requireExtension, type Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { callsOfWindow, callWindow, edgeProperties, type CallWindow } from './callsOfWindow.ts'

export interface CallGraphDifference {
  /** `resource_id` of caller and callee. */
  src: string
  dst: string
  /** Null if the tenant has no such resource, which is possible only for `surplus`. */
  src_urn: string | null
  dst_urn: string | null
  /**
   * `missing`: in the source but not in the graph. `surplus`: in the graph but not in the source.
   * `different`: in both, with different values.
   */
  difference: 'missing' | 'surplus' | 'different'
  /**
   * What differs: a property of the edge, or the `urn` of the vertex at one of its ends (null in
   * the graph if there is no vertex).
   */
  property: (typeof edgeProperties)[number] | 'src' | 'dst' | null
  /** The value in the source, as the graph would print it. */
  expected: string | null
  /** The value in the graph. */
  actual: string | null
}

/**
 * The differences between the active call graph and `service_call_5m`, by edge and property.
 * Ordered by `src`, `dst`, `property`. No rows mean that they agree.
 *
 * They agree after a `refreshCallGraph` of the same window and `now`, until rows of the window are
 * written. The differences show a graph that is no longer refreshed, or properties that were
 * changed by Cypher. `first_seen` may be earlier in the graph than in the window, because the graph
 * remembers it; only a later one is a difference. Properties that a refresh does not write are
 * ignored.
 *
 * Each execution computes the edges of the window and reads the whole graph, even if you filter the
 * answer. It costs about as much as a refresh without changes.
 *
 * @throws MissingCapabilityError without Apache AGE.
 * @throws InvalidInputError if `window` is not an interval or `now` not a date.
 * @example
 * const now = new Date()
 * await refreshCallGraph(scope, { window: '10 minutes', now })
 * await verifyCallGraph(scope, { window: '10 minutes', now }).execute() // []
 *
 * await verifyCallGraph(scope).where('difference', '=', 'missing').clearSelect().select(['src_urn', 'dst_urn']).execute()
 *
 * // select "src_urn", "dst_urn" from (
 * //   with source as materialized (... what refreshCallGraph writes ...), graph as materialized
 * //     (select ... from "public"."graph_edges"($5)), ...
 * //   select ... from source full join graph using (src, dst) ... order by src, dst, property
 * // ) as "difference" where "difference" = $6
 */
export function verifyCallGraph(scope: Scope, options: CallWindow = {}): Finished<CallGraphDifference, 'difference'> {
  requireExtension(scope, 'age', 'verifyCallGraph', 'callsDuring reads the source itself')
  const properties = sql.join(edgeProperties.flatMap((name) => [sql.lit(name), sql.ref(`call.${name}`)]))
  const text = (side: 'source' | 'graph', name: string) =>
    sql`ag_catalog.agtype_object_field_text(${sql.ref(`${side}.properties`)}, ${sql.lit(name)})`
  const compared = edgeProperties.map((name) => sql`(${sql.lit(name)}, ${text('source', name)}, ${text('graph', name)})`)
  // Vertices are grouped so that the planner knows that each is unique. Otherwise it expects a huge
  // number of rows and spends seconds on JIT compilation.
  const difference = sql<CallGraphDifference>`(
    with source as materialized (
      select call.src, call.dst, ag_catalog.agtype_build_map_nonull(${properties}) as properties
      from ${callsOfWindow(scope, parseOptions(callWindow, options))} as call
    ),
    graph as materialized (select src, dst, properties from ${scope.id('graph_edges')}(${scope.graphName})),
    vertex as materialized (
      select resource_id, min(ag_catalog.agtype_object_field_text(properties, 'urn')) as urn
      from ${scope.id('graph_vertices')}(${scope.graphName})
      group by resource_id
    )
    select
      src, dst, src_resource.urn as src_urn, dst_resource.urn as dst_urn, found.difference, found.property, found.expected, found.actual
    from source
    full join graph using (src, dst)
    left join ${scope.id('dim_resource')} as src_resource on src_resource.resource_id = src and src_resource.tenant_id = ${scope.tenantId}::int8
    left join ${scope.id('dim_resource')} as dst_resource on dst_resource.resource_id = dst and dst_resource.tenant_id = ${scope.tenantId}::int8
    left join vertex as caller on caller.resource_id = src
    left join vertex as callee on callee.resource_id = dst
    cross join lateral (
      select 'missing' as difference, null as property, null as expected, null as actual where graph.properties is null
      union all
      select 'surplus', null, null, null where source.properties is null
      union all
      select 'different', name, expected, actual
      from (values
        ${sql.join(compared)},
        ('src', src_resource.urn, caller.urn),
        ('dst', dst_resource.urn, callee.urn)
      ) as value (name, expected, actual)
      where graph.properties is not null and source.properties is not null
        and expected is distinct from actual
        and not (name = 'first_seen' and coalesce(actual collate "C" < expected collate "C", false))
    ) as found
    order by src, dst, found.property
  )`
  return finished(scope, difference, 'difference')
}
