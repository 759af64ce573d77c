import { sql, type AliasableExpression, type Selectable, type SelectQueryBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { resourceAt, resourceOf } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import type { DB } from '../schema/tables.ts'

/** The resources at the two ends of an edge. */
export interface Ends {
  caller: Selectable<DB['dim_resource']>
  callee: Selectable<DB['dim_resource']>
}

/** A query over edges of one alias, with the resources at their ends. */
export type EdgesBetween<Row, Alias extends string> = SelectQueryBuilder<
  { [Name in Alias | keyof Ends]: Name extends keyof Ends ? Ends[Name] : Row },
  Alias | keyof Ends,
  {}
>

export interface EdgesBetweenOptions<Row> {
  /** The column with the `resource_id` of the caller. */
  src: keyof Row & string
  /** The column with the `resource_id` of the callee. */
  dst: keyof Row & string
  /** The caller's URN; every caller if it is not given. */
  from?: string
  /** The callee's URN; every callee if it is not given. */
  to?: string
}

/**
 * Edges with the resources at their ends: `caller`, which the edge leaves, and `callee`, to which
 * it leads. Every read that names both ends begins with it.
 *
 * An edge without a resource of the tenant at each end is left out.
 *
 * A resource is looked up for each edge, see {@link rowOf}: add the edges up before.
 *
 * @param edges rows of any table or query. The tenant's, if they have one: the ends are filtered
 * here, the edges are not.
 * @example
 * edgesBetween(scope, changes, 'moment', { src: 'src', dst: 'dst', from: 'urn:k8s:svc:shop/checkout' })
 *   .select(['moment.at', 'caller.urn as src_urn', 'callee.urn as dst_urn'])
 *
 * // select "moment"."at", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn" from (...) as
 * //   "moment"
 * // inner join lateral (select known.* from "public"."dim_resource" as known
 * //   where known."resource_id" = "moment"."src" and (known.tenant_id = $1::int8) is true offset 0)
 * //   as "caller" on true
 * // inner join lateral (...) as "callee" on true
 * // where "moment"."src" = (select given.resource_id from "public"."dim_resource" as given
 * //   where given.tenant_id = $3::int8 and given.urn = $4)
 * //   and "public"."require_resources"($5::int8, $6::text[])
 */
export function edgesBetween<Row, Alias extends string>(
  scope: Scope,
  edges: AliasableExpression<Row>,
  alias: Alias,
  { src, dst, from, to }: EdgesBetweenOptions<Row>,
): EdgesBetween<Row, Alias> {
  const isGiven = (id: string, urn: string) => sql<boolean>`${sql.ref(`${alias}.${id}`)} = ${resourceOf(scope, urn)}`
  const given = [from, to].filter((urn) => urn !== undefined)
  const query = scope.db
    .selectFrom(edges.as<string>(alias))
    .innerJoinLateral(resourceAt(scope, `${alias}.${src}`).as('caller'), (join) => join.onTrue())
    .innerJoinLateral(resourceAt(scope, `${alias}.${dst}`).as('callee'), (join) => join.onTrue())
    .$if(from !== undefined, (found) => found.where(isGiven(src, from!)))
    .$if(to !== undefined, (found) => found.where(isGiven(dst, to!)))
    .$if(given.length > 0, (found) => found.where(requireResources(scope, given)))
  return query
}
