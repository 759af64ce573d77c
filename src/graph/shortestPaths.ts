import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { boundedText } from '../schema/text.ts'
import { breadthFirst } from './breadthFirst.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { walkedEdges, type WalkDirection } from './walkedEdges.ts'

export interface ShortestPathsOptions {
  from: string
  to: string
  /** The most paths to find. */
  paths: number
  /** A column of the frame; undefined: every edge has length 1. */
  length: string | undefined
  direction: WalkDirection
  /** The most edges in a path, if every edge has length 1; null: any number. */
  hops: number | null
}

/** The name of a column, as long as PostgreSQL's. */
export const columnName = boundedText(63)

export const pathCount = z.int('must be a whole number').min(1, 'must be at least 1').max(1000, 'must be at most 1000')

/**
 * The best paths as a `from` item with `path`, `step`, `id`, `edge_length` and `cost`. The edges
 * that can be reached from the start are collected, by an index if the frame has one, and searched
 * by an installed function.
 */
export const shortestPaths = (
  scope: Scope,
  edges: EdgeFrame,
  { from, to, paths, length, direction, hops }: ShortestPathsOptions,
): RawBuilder<unknown> => sql`(
  with recursive
    ${walkedEdges(scope, edges, direction, length === undefined ? sql`1` : sql.id('frame', length))},
    ${breadthFirst(scope, { from: [from], hops })},
    reached (ids) as (select level.visited from level order by level.depth desc limit 1)
  select walk.*
  from reached
  cross join lateral (
    select pg_catalog.array_agg(edge.src) as src, pg_catalog.array_agg(edge.dst) as dst, pg_catalog.array_agg(edge.length) as length
    from pg_catalog.unnest(reached.ids) as at (id)
    join edge on edge.src = at.id
  ) as given
  join ${scope.id('dim_resource')} as source on source.tenant_id = ${scope.tenantId}::int8 and source.urn = ${from}
  join ${scope.id('dim_resource')} as target on target.tenant_id = ${scope.tenantId}::int8 and target.urn = ${to} and ${requireResources(scope, [to])}
  cross join lateral ${scope.id('graph_shortest_paths')}(
    reached.ids, given.src, given.dst, given.length, source.resource_id, target.resource_id, ${paths}::int4, ${hops}::float8
  ) as walk
)`
