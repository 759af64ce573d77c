import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText, type Json } from '../schema/text.ts'
import { topologyFilter, topologyVersions, validFrom, validTo, type TopologyFilter } from './topologyVersions.ts'

export interface EdgeHistoryOptions extends TopologyFilter {
  /** The URN where the edge begins. */
  from: string
  /** The URN where it ends. */
  to: string
}

/** A version of an edge: what one source said about it for a period of time. */
export interface EdgeVersion {
  relation: string
  /** The source; `''` if it was written without one. */
  source: string
  /** The beginning; null if it is unknown. */
  valid_from: Date | null
  /** The end; null if it is still valid. */
  valid_to: Date | null
  /** Seconds from beginning to end; null if one of them is null. */
  duration_s: number | null
  /** The properties of the edge. */
  props: Json
  /** `resource_id` where the edge begins. */
  src: string
  /** `resource_id` where it ends. */
  dst: string
  src_urn: string
  dst_urn: string
}

const edgeHistoryOptions = z.strictObject({ from: urnText, to: urnText, ...topologyFilter })

/**
 * The history of one edge: all its versions.
 *
 * | | |
 * |---|---|
 * | order | `relation` and `source` by their bytes, then time |
 * | a gap between two versions | a time without the edge |
 * | two resources that were never related | no rows |
 *
 * @throws InvalidInputError if a URN, the relation or the source is invalid; names the field.
 * @example
 * await edgeHistory(scope, { from: 'urn:k8s:svc:shop/checkout', to: 'urn:k8s:svc:shop/payment', relation: 'calls' }).execute()
 *
 * // select "version".* from (
 * //   select "version"."relation", "version"."source", nullif(pg_catalog.lower(version.valid),
 * //     '-infinity') as "valid_from", ...
 * //   from (select ... from "public"."topo_edge_time" as "version" where ...) as "version"
 * //   inner join "public"."dim_resource" as "caller" on ... inner join ... as "callee" on ...
 * //   where "version"."src_resource_id" = (select ...) and ... and
 * //     "public"."require_resources"($9::int8, $10::text[])
 * //   order by ("version"."relation") collate "C", ...
 * // ) as "version"
 */
export function edgeHistory(scope: Scope, options: EdgeHistoryOptions): Finished<EdgeVersion, 'version'> {
  const { from, to, ...filter } = parseOptions(edgeHistoryOptions, options)
  const known = topologyVersions(scope, filter).selectAll('version')
  const versions = edgesBetween(scope, known, 'version', { src: 'src_resource_id', dst: 'dst_resource_id', from, to })
    .select([
      'version.relation',
      'version.source',
      validFrom.as('valid_from'),
      validTo.as('valid_to'),
      sql<number | null>`extract(epoch from ${validTo} - ${validFrom})::float8`.as('duration_s'),
      sql<Json>`version.props`.as('props'),
      'version.src_resource_id as src',
      'version.dst_resource_id as dst',
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
    ])
    .orderBy(byBytes('version.relation'))
    .orderBy(byBytes('version.source'))
    .orderBy(sql`pg_catalog.lower(version.valid)`)
  return finished(scope, versions, 'version')
}
