import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText, type Json } from '../schema/text.ts'
import { topologyFilter, topologyVersions, type TopologyFilter } from './topologyVersions.ts'

export interface EdgeHistoryOptions extends TopologyFilter {
  /** The URN the edge leaves from. */
  src: string
  /** The URN it leads to. */
  dst: string
}

const edgeHistoryOptions = z.strictObject({ src: urnText, dst: urnText, ...topologyFilter })

/**
 * Everything known of one edge: each version of it, by relation, source and time. A gap between two versions is a time without the edge.
 *
 * Rows: `relation`, `source` (`''`: written without one), `valid_from` and `valid_to` (null: since ever, or until further notice), `duration_s`
 * (seconds from one to the other; null where one is), `props`; `src`, `dst`, `src_urn`, `dst_urn`. Two resources that never were related have none.
 *
 * @throws InvalidInputError when a URN, the relation or the source can be none.
 * @example
 * await edgeHistory(scope, { src: 'urn:k8s:svc:shop/checkout', dst: 'urn:k8s:svc:shop/payment', relation: 'calls' }).execute()
 *
 * // select "version".* from (
 * //   select "version"."relation", "version"."source", nullif(pg_catalog.lower("version"."valid"), '-infinity') as "valid_from", ...
 * //   from "public"."topo_edge_time" as "version" inner join "public"."dim_resource" as "from_resource" on ... inner join ... as "to_resource" on ...
 * //   where "version"."tenant_id" = $3 and "version"."relation" = $4 and "from_resource"."urn" = $5 and "to_resource"."urn" = $6
 * //   order by "version"."relation", "version"."source", pg_catalog.lower("version"."valid")
 * // ) as "version"
 */
export function edgeHistory(scope: Scope, options: EdgeHistoryOptions) {
  const { src, dst, ...filter } = parseOptions(edgeHistoryOptions, options)
  const from = sql<Date | null>`nullif(pg_catalog.lower("version"."valid"), '-infinity')`
  const to = sql<Date | null>`nullif(pg_catalog.upper("version"."valid"), 'infinity')`
  const versions = topologyVersions(scope, filter)
    .innerJoin(scope.table('dim_resource', 'from_resource'), (join) =>
      join.onRef('from_resource.resource_id', '=', 'version.src_resource_id').on('from_resource.tenant_id', '=', scope.tenantId),
    )
    .innerJoin(scope.table('dim_resource', 'to_resource'), (join) =>
      join.onRef('to_resource.resource_id', '=', 'version.dst_resource_id').on('to_resource.tenant_id', '=', scope.tenantId),
    )
    .where('from_resource.urn', '=', src)
    .where('to_resource.urn', '=', dst)
    .select([
      'version.relation as relation',
      'version.source as source',
      from.as('valid_from'),
      to.as('valid_to'),
      sql<number | null>`extract(epoch from ${to} - ${from})::float8`.as('duration_s'),
      sql<Json>`"version"."props"`.as('props'),
      'version.src_resource_id as src',
      'version.dst_resource_id as dst',
      'from_resource.urn as src_urn',
      'to_resource.urn as dst_urn',
    ])
    .orderBy(byBytes(sql.ref('version.relation')))
    .orderBy(byBytes(sql.ref('version.source')))
    .orderBy(sql`pg_catalog.lower("version"."valid")`)
  return finished(scope, versions, 'version')
}
