import { sql, type RawBuilder } from 'kysely'
import { inAnyOrder } from '../database/sql/inAnyOrder.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { EdgeFrame } from './edgeFrame.ts'

export interface CycleRow {
  /** From 1; 1 is the component with the most members. */
  component: number
  /** The number of members. */
  size: number
  /** The URNs of the component, sorted. */
  members: string[]
  /**
   * The URNs of one of its shortest cycles: each leads to the next, the last to the first. A
   * resource that leads to itself is a cycle of one.
   */
  cycle: string[]
}

/**
 * The cycles of a graph: for each group of resources that all lead to each other (a strongly
 * connected component), and for each resource that leads to itself, its members and one of its
 * shortest cycles.
 *
 * - Cycles are not enumerated, because there can be far too many. Every cycle lies within one
 *   component.
 * - Of several shortest cycles the answer has the one with the lowest id; it begins there and goes
 *   on to the lowest ids.
 * - Rows are ordered by `size` (descending), then `members`.
 * - Edges whose ends are not both resources of the tenant do not count. To look at some edges only,
 *   narrow the frame.
 *
 * Components come from one depth-first search (Tarjan, Depth-First Search and Linear Graph
 * Algorithms, 1972), the shortest cycle from breadth-first searches that stop once they cannot be
 * shorter.
 *
 * @example
 * const loops = cycles(scope, topologyAt(scope, { at: new Date(), relation: 'depends_on' }))
 * await loops.where('size', '>', 1).execute()
 * // [{ component: 1, size: 3, members: ['urn:...:cart', 'urn:...:pricing', 'urn:...:stock'],
 * //   cycle: ['urn:...:cart', 'urn:...:pricing'] }]
 *
 * // select "component".* from (
 * //   select row_number() over (
 * //     order by pg_catalog.cardinality(named.members) desc, named.members collate "C"
 * //   )::int4 as component, ...
 * //   from (select pg_catalog.array_agg(own.src) as src, ... from (...) as given cross join
 * //     lateral "public"."graph_core"(given.src, given.dst) as own
 * //     where own.src in (select resource_id from "public"."dim_resource" where tenant_id = $1)
 * //       and ...) as core
 * //   cross join lateral "public"."graph_cycles"(core.src, core.dst) as found cross join lateral
 * //     (...) as named order by component
 * // ) as "component"
 */
export function cycles(scope: Scope, edges: EdgeFrame): Finished<CycleRow, 'component'> {
  const isOwn = (end: 'src' | 'dst') => sql`
    exists (
      select from ${scope.id('dim_resource')} as resource
      where resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = ${sql.id('core', end)}
    )
  `
  const urns = (ids: 'members' | 'cycle', order: RawBuilder<unknown>) => sql`array(
    select resource.urn
    from pg_catalog.unnest(${sql.id('found', ids)}) with ordinality as at (id, place)
    join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = at.id
    order by ${order}
  )`
  const components = sql<CycleRow>`(
    select
      row_number() over (order by pg_catalog.cardinality(named.members) desc, named.members collate "C")::int4 as component,
      pg_catalog.cardinality(named.members) as size, named.members, named.cycle
    from (
      select pg_catalog.array_agg(core.src) as src, pg_catalog.array_agg(core.dst) as dst
      from (select pg_catalog.array_agg(frame.src) as src, pg_catalog.array_agg(frame.dst) as dst from ${inAnyOrder(edges)} as frame) as given
      cross join lateral ${scope.id('graph_core')}(given.src, given.dst) as core
      where ${isOwn('src')} and ${isOwn('dst')}
    ) as own
    cross join lateral ${scope.id('graph_cycles')}(own.src, own.dst) as found
    cross join lateral (select ${urns('members', byBytes(sql.ref('resource.urn')))} as members, ${urns('cycle', sql`at.place`)} as cycle) as named
    order by component
  )`
  return finished(scope, components, 'component')
}
