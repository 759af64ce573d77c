import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import type { Json } from '../schema/text.ts'
import { decidingFirst, topologyVersions, type TopologyFilter } from './topologyVersions.ts'

/**
 * One row for each edge that is valid at a moment, from any source, in no order: the ids of its
 * ends and the deciding version's values.
 */
export function edgesAt(scope: Scope, at: Date, filter: TopologyFilter) {
  const holding = topologyVersions(scope, filter).where(sql<boolean>`version.valid operator(pg_catalog.@>) ${at}::timestamptz`)
  const edge = ['version.src_resource_id as src', 'version.dst_resource_id as dst', 'version.relation as relation'] as const
  // One source has one version of an edge at a time.
  return filter.source === undefined
    ? holding
        .groupBy(['version.src_resource_id', 'version.dst_resource_id', 'version.relation'])
        .select([
          ...edge,
          sql<Json>`(pg_catalog.array_agg(version.props order by ${decidingFirst}))[1]`.as('props'),
          sql<string>`(pg_catalog.array_agg(version.valid order by ${decidingFirst}))[1]`.as('valid'),
          sql<string[]>`pg_catalog.array_agg(version.source order by ${decidingFirst})`.as('sources'),
        ])
    : holding.select([
        ...edge,
        sql<Json>`version.props`.as('props'),
        'version.valid as valid',
        sql<string[]>`array[version.source]`.as('sources'),
      ])
}
