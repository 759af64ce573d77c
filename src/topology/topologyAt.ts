import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'
import { edgesAt } from './edgesAt.ts'
import { topologyFilter, type TopologyFilter } from './topologyVersions.ts'

export interface TopologyAtOptions extends TopologyFilter {
  /** The moment. */
  at: Date
}

const topologyAtOptions = z.strictObject({ at: storableDate, ...topologyFilter })

/**
 * What the topology looked like at a moment: the edges whose validity `[from, to)` holds it. Typical query 3 of the schema's source.
 *
 * Rows, an edge frame: `src`, `dst`; `weight` (always null: topology is not measured); `src_urn`, `dst_urn`, `relation`, `props`; `valid_from`
 * and `valid_to` (null: since ever, or until further notice); `sources`, who says so. Ordered by `src_urn`, `dst_urn`, `relation`. Two resources may be
 * related in several ways: then they have a row for each.
 *
 * Where several sources say that an edge holds it is one row: `props`, `valid_from` and `valid_to` are those of the version that opened last (of two at
 * once, that of the source which sorts first), and its source stands first in `sources`. `source` asks for one of them alone.
 *
 * @throws InvalidInputError when `at` is no valid date, or the relation or source can be none.
 * @example
 * const before = topologyAt(scope, { at: new Date('2026-11-22T09:00:00Z'), relation: 'runs_on' })
 * await reach(scope, before, { from: 'urn:k8s:node:eu-1/worker-7', direction: 'in' }).execute()
 *
 * // select "edge".* from (
 * //   select "edge"."src", "edge"."dst", ... from (
 * //     select "version"."src_resource_id" as "src", ..., (pg_catalog.array_agg("version"."props" order by pg_catalog.lower("version"."valid") desc, ...))[1] as "props", ...
 * //     from "public"."topo_edge_time" as "version"
 * //     where "version"."tenant_id" = $1 and "version"."relation" = $2 and "version"."valid" @> $3::timestamptz group by ...
 * //   ) as "edge" inner join "public"."dim_resource" as "source" on ... inner join "public"."dim_resource" as "target" on ... order by ...
 * // ) as "edge"
 */
export function topologyAt(scope: Scope, options: TopologyAtOptions) {
  const { at, ...filter } = parseOptions(topologyAtOptions, options)
  const edges = scope.db
    .selectFrom(edgesAt(scope, at, filter).as('edge'))
    .innerJoin(scope.table('dim_resource', 'source'), (join) =>
      join.onRef('source.resource_id', '=', 'edge.src').on('source.tenant_id', '=', scope.tenantId),
    )
    .innerJoin(scope.table('dim_resource', 'target'), (join) =>
      join.onRef('target.resource_id', '=', 'edge.dst').on('target.tenant_id', '=', scope.tenantId),
    )
    .select([
      'edge.src',
      'edge.dst',
      sql<number | null>`null::float8`.as('weight'),
      'source.urn as src_urn',
      'target.urn as dst_urn',
      'edge.relation',
      'edge.props',
      // An end written as infinity is as open as one left out.
      sql<Date | null>`nullif(pg_catalog.lower("edge"."valid"), '-infinity')`.as('valid_from'),
      sql<Date | null>`nullif(pg_catalog.upper("edge"."valid"), 'infinity')`.as('valid_to'),
      'edge.sources',
    ])
    .orderBy(byBytes(sql.ref('source.urn')))
    .orderBy(byBytes(sql.ref('target.urn')))
    .orderBy(byBytes(sql.ref('edge.relation')))
  return finished(scope, edges, 'edge')
}
