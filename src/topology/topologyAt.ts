import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { EdgeRow } from '../graph/edgeFrame.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { storableDate } from '../schema/date.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { edgesAt } from './edgesAt.ts'
import { topologyFilter, validFrom, validTo, type TopologyFilter } from './topologyVersions.ts'

export interface TopologyAtOptions extends TopologyFilter {
  /** The moment. */
  at: Date
}

/** An edge that is valid at a moment. Its `weight` is always null: topology is not measured. */
export interface TopologyAtRow extends EdgeRow {
  src_urn: string
  dst_urn: string
  relation: string
  /** The properties of the edge. */
  props: Json
  /** The beginning of its validity; null if it is unknown. */
  valid_from: Date | null
  /** The end of its validity; null if it is still valid. */
  valid_to: Date | null
  /** The sources that have the edge. */
  sources: string[]
}

const topologyAtOptions = z.strictObject({ at: storableDate, ...topologyFilter })

/**
 * The topology at a moment: an edge frame of the edges whose validity `[from, to)` contains it.
 * Typical query 3 of the schema's source.
 *
 * | | |
 * |---|---|
 * | order | `src_urn`, `dst_urn`, `relation`, by their bytes |
 * | two resources with several relations | one row for each relation |
 * | an edge from several sources | one row: `props`, `valid_from` and `valid_to` are those of the version that opened last (of two at once, that of the source which sorts first), and its source comes first in `sources` |
 * | `source` | reads one source alone |
 *
 * @throws InvalidInputError if `at`, the relation or the source is invalid; names the field.
 * @example
 * const before = topologyAt(scope, { at: new Date('2026-11-22T09:00:00Z'), relation: 'runs_on' })
 * await reach(scope, before, { from: 'urn:k8s:node:eu-1/worker-7', direction: 'in' }).execute()
 *
 * // select "edge".* from (
 * //   select "version"."src", "version"."dst", ... from (
 * //     select "version"."src_resource_id" as "src", ..., (pg_catalog.array_agg(version.props
 * //       order by pg_catalog.lower(version.valid) desc, ...))[1] as "props", ...
 * //     from "public"."topo_edge_time" as "version"
 * //     where "version"."tenant_id" = $1 and "version"."relation" = $2 and version.valid @>
 * //       $3::timestamptz group by ...
 * //   ) as "version" inner join "public"."dim_resource" as "caller" on ... inner join
 * //     "public"."dim_resource" as "callee" on ... order by ...
 * // ) as "edge"
 */
export function topologyAt(scope: Scope, options: TopologyAtOptions): Finished<TopologyAtRow, 'edge'> {
  const { at, ...filter } = parseOptions(topologyAtOptions, options)
  const edges = edgesBetween(scope, edgesAt(scope, at, filter), 'version', { src: 'src', dst: 'dst' })
    .select([
      'version.src',
      'version.dst',
      sql<number | null>`null::float8`.as('weight'),
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
      'version.relation',
      'version.props',
      validFrom.as('valid_from'),
      validTo.as('valid_to'),
      'version.sources',
    ])
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
    .orderBy(byBytes('version.relation'))
  return finished(scope, edges, 'edge')
}
