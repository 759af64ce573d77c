import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { EdgeRow } from '../graph/edgeFrame.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Json } from '../schema/text.ts'
import { decidingFirst, topologyFilter, topologyVersions, type TopologyFilter } from './topologyVersions.ts'

export interface TopologyChangesOptions extends TopologyFilter {
  /** Changes in this range count. */
  range: TimeRange
}

/** The change of an edge. `changed` means other properties. */
export type TopologyChange = 'appeared' | 'vanished' | 'changed'

/** A change of an edge at a moment. Its `weight` is always null: topology is not measured. */
export interface TopologyChangeRow extends EdgeRow {
  /** The time of the change. */
  at: Date
  kind: TopologyChange
  src_urn: string
  dst_urn: string
  relation: string
  /** The properties of the edge before; null if there was no edge. */
  props_before: Json | null
  /** The properties after; null if the edge is gone. */
  props_after: Json | null
}

/** The versions of an edge that changed in the range, the deciding one first. */
interface ChangedEdge {
  src: string
  dst: string
  relation: string
  valid: string[]
  props: Json[]
}

/** The most edges that are looked up one by one. */
const few = 200

const topologyChangesOptions = z.strictObject({ range: timeRange, ...topologyFilter })

/**
 * The changes of the topology in a range: an edge frame with one row each time that an edge
 * appeared, vanished or got other properties.
 *
 * | | |
 * |---|---|
 * | order | `at`, then `src_urn`, `dst_urn`, `relation` by their bytes |
 * | an edge that vanished and came back | has a row for each |
 * | an edge that another source continues unchanged | is not a change: the rows explain the differences of {@link topologyAt} |
 * | `source` | gives the changes of one source alone |
 *
 * @throws InvalidInputError if the range, the relation or the source is invalid; names the field.
 * @example
 * const news = topologyChanges(scope, { range: last('1 hour'), relation: 'calls' })
 * await news.where('kind', '=', 'appeared').execute()
 *
 * // select "change".* from (
 * //   select "change"."at", "change"."kind", ... from (
 * //     select "moment"."at", case when said.props_before is null then 'appeared' ... end as "kind",
 * //       ...
 * //     from (
 * //       with changed as materialized (select ... from "public"."topo_edge_time" as "version"
 * //         where ... union select ...)
 * //       select ..., pg_catalog.array_agg(version.valid order by ...) as valid, ... group by ...
 * //     ) as "edge" inner join lateral (...) as "moment" on true inner join lateral (...) as
 * //       "said" on true
 * //     where said.props_before is distinct from said.props_after
 * //   ) as "change" inner join lateral (...) as "caller" on true ... order by ...
 * // ) as "change" where "kind" = $21
 */
export function topologyChanges(scope: Scope, options: TopologyChangesOptions): Finished<TopologyChangeRow, 'change'> {
  const { range, ...filter } = parseOptions(topologyChangesOptions, options)
  const within = (at: RawBuilder<Date>) => sql<boolean>`${at} >= ${range.from}::timestamptz and ${at} < ${range.to}::timestamptz`
  const [opens, closes] = [sql<Date>`pg_catalog.lower(version.valid)`, sql<Date>`pg_catalog.upper(version.valid)`]
  const ends = ['version.src_resource_id', 'version.dst_resource_id', 'version.relation'] as const
  const versions = topologyVersions(scope, filter)
    .where(sql<boolean>`${opens} < ${range.to}::timestamptz and coalesce(${closes}, 'infinity') >= ${range.from}::timestamptz`)
    .select([...ends, 'version.source', 'version.valid', 'version.props'])
  const moved = (at: RawBuilder<Date>) => topologyVersions(scope, filter).where(within(at)).select(ends)
  const isOf = sql<boolean>`
    version.src_resource_id = changed.src_resource_id and version.dst_resource_id = changed.dst_resource_id and version.relation = changed.relation
  `
  const isChanged = sql<boolean>`(
    (version.src_resource_id, version.dst_resource_id, version.relation) in (select src_resource_id, dst_resource_id, relation from changed)
  ) is true`
  const howMany = sql`(select count(*) from changed)`
  // A few edges are looked up. For many, all versions are read once: where the statistics do not know
  // the tenant, a lookup may read all of them.
  const edges = sql<ChangedEdge>`(
    with changed as materialized ${moved(opens).union(moved(closes))}
    select version.src_resource_id as src, version.dst_resource_id as dst, version.relation,
      pg_catalog.array_agg(version.valid order by ${decidingFirst}) as valid,
      pg_catalog.array_agg(version.props order by ${decidingFirst}) as props
    from (
      select version.* from changed cross join lateral ${versions.where(isOf)} as version where ${howMany} <= ${sql.lit(few)}::int8
      union all
      ${versions.where(isChanged).where(sql<boolean>`${howMany} > ${sql.lit(few)}::int8`)}
    ) as version
    group by version.src_resource_id, version.dst_resource_id, version.relation
  )`
  const moments = sql<{ at: Date }>`(
    select distinct met.at from pg_catalog.unnest(edge.valid) as version (valid) cross join lateral (values (${opens}), (${closes})) as met (at)
    where ${within(sql`met.at`)}
  )`
  const deciding = (holds: RawBuilder<boolean>) =>
    sql<Json | null>`(pg_catalog.array_agg(version.props order by version.place) filter (where ${holds}))[1]`
  const before = sql<boolean>`${opens} < moment.at and coalesce(${closes}, 'infinity') >= moment.at`
  const after = sql<boolean>`version.valid operator(pg_catalog.@>) moment.at`
  const said = sql<{ props_before: Json | null; props_after: Json | null }>`(
    select ${deciding(before)} as props_before, ${deciding(after)} as props_after
    from unnest(edge.valid, edge.props) with ordinality as version (valid, props, place)
  )`
  const kind = sql<TopologyChange>`
    case when said.props_before is null then 'appeared' when said.props_after is null then 'vanished' else 'changed' end
  `
  const found = scope.db
    .selectFrom(edges.as('edge'))
    .innerJoinLateral(moments.as('moment'), (join) => join.onTrue())
    .innerJoinLateral(said.as('said'), (join) => join.onTrue())
    .where(sql<boolean>`said.props_before is distinct from said.props_after`)
    .select(['moment.at', kind.as('kind'), 'edge.src', 'edge.dst', 'edge.relation', 'said.props_before', 'said.props_after'])
  const changes = edgesBetween(scope, found, 'change', { src: 'src', dst: 'dst' })
    .select([
      'change.at',
      'change.kind',
      'change.src',
      'change.dst',
      sql<number | null>`null::float8`.as('weight'),
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
      'change.relation',
      'change.props_before',
      'change.props_after',
    ])
    .orderBy('change.at')
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
    .orderBy(byBytes('change.relation'))
  return finished(scope, changes, 'change')
}
