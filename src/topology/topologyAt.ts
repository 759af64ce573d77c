import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { boundedText } from '../schema/text.ts'

export interface TopologyAtOptions {
  /** The moment. */
  at: Date
  /** Only edges of this relation (`calls`, `runs_on`, `depends_on`, ...). Default: all. */
  relation?: string
}

const topologyAtOptions = z.strictObject({ at: z.date(), relation: boundedText(255).optional() })

/**
 * What the topology looked like at a moment: the edges whose validity `[from, to)` holds it. Typical query 3 of the schema's source.
 *
 * Rows, an edge frame: `src`, `dst`; `weight` (always null: topology is not measured); `src_urn`, `dst_urn`, `relation`, `props`; `valid_from`
 * and `valid_to` (null: since ever, or until further notice). Ordered by `src_urn`, `dst_urn`, `relation`. Two resources may be related in several
 * ways: then they have a row for each.
 *
 * @throws InvalidInputError when `at` is no valid date.
 * @example
 * const before = topologyAt(scope, { at: new Date('2026-11-22T09:00:00Z'), relation: 'runs_on' })
 * await reach(scope, before, { from: 'urn:k8s:node:eu-1/worker-7', direction: 'in' }).execute()
 *
 * // select "edge".* from (
 * //   select "edge"."src_resource_id" as "src", ... from "public"."topo_edge_time" as "edge"
 * //   inner join "public"."dim_resource" as "source" on ... inner join "public"."dim_resource" as "target" on ...
 * //   where "edge"."tenant_id" = $1 and "edge"."valid" @> $2::timestamptz and "edge"."relation" = $3 order by ...
 * // ) as "edge"
 */
export function topologyAt(scope: Scope, options: TopologyAtOptions) {
  const { at, relation } = parse(topologyAtOptions, options, 'options')
  const edges = scope.db
    .selectFrom(scope.table('topo_edge_time', 'edge'))
    .innerJoin(scope.table('dim_resource', 'source'), (join) =>
      join.onRef('source.resource_id', '=', 'edge.src_resource_id').onRef('source.tenant_id', '=', 'edge.tenant_id'),
    )
    .innerJoin(scope.table('dim_resource', 'target'), (join) =>
      join.onRef('target.resource_id', '=', 'edge.dst_resource_id').onRef('target.tenant_id', '=', 'edge.tenant_id'),
    )
    .where('edge.tenant_id', '=', scope.tenantId)
    .where(sql<boolean>`edge.valid @> ${at}::timestamptz`)
    .$if(relation !== undefined, (query) => query.where('edge.relation', '=', relation!))
    .select([
      'edge.src_resource_id as src',
      'edge.dst_resource_id as dst',
      sql<number | null>`null::float8`.as('weight'),
      'source.urn as src_urn',
      'target.urn as dst_urn',
      'edge.relation',
      'edge.props',
      // An end written as infinity is as open as one left out.
      sql<Date | null>`nullif(lower(edge.valid), '-infinity')`.as('valid_from'),
      sql<Date | null>`nullif(upper(edge.valid), 'infinity')`.as('valid_to'),
    ])
    .orderBy('source.urn')
    .orderBy('target.urn')
    .orderBy('edge.relation')
  return scope.db.selectFrom(edges.as('edge')).selectAll('edge')
}
