import { sql, type AliasableExpression, type Selectable, type SelectQueryBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
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
 * Edges with the resources at their ends: `caller`, where the edge begins, and `callee`, where it
 * ends. Every read that names both ends starts with it.
 *
 * An edge is left out if an end is not a resource of the tenant. The joins include the tenant, so a
 * URN is found by the unique key `(tenant_id, urn)`.
 *
 * @param edges rows of any table or query. If they belong to tenants, pass only the tenant's: the
 * ends are filtered here, the edges are not.
 * @example
 * edgesBetween(scope, changes, 'moment', { src: 'src', dst: 'dst', from: 'urn:k8s:svc:shop/checkout' })
 *   .select(['moment.at', 'caller.urn as src_urn', 'callee.urn as dst_urn'])
 *
 * // select "moment"."at", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn" from (...) as
 * //   "moment"
 * // inner join "public"."dim_resource" as "caller" on caller.tenant_id = $1::int8 and
 * //   caller.resource_id = "moment"."src"
 * // inner join "public"."dim_resource" as "callee" on callee.tenant_id = $2::int8 and
 * //   callee.resource_id = "moment"."dst"
 * // where caller.urn = $3 and "public"."require_resources"($4::int8, $5::text[])
 */
export function edgesBetween<Row, Alias extends string>(
  scope: Scope,
  edges: AliasableExpression<Row>,
  alias: Alias,
  { src, dst, from, to }: EdgesBetweenOptions<Row>,
): EdgesBetween<Row, Alias> {
  const isOwn = (end: 'caller' | 'callee', id: string) =>
    sql<boolean>`${sql.raw(end)}.tenant_id = ${scope.tenantId}::int8 and ${sql.raw(end)}.resource_id = ${sql.ref(`${alias}.${id}`)}`
  const given = [from, to].filter((urn) => urn !== undefined)
  const query = scope.db
    .selectFrom(edges.as<string>(alias))
    .innerJoin(scope.table('dim_resource', 'caller'), (join) => join.on(isOwn('caller', src)))
    .innerJoin(scope.table('dim_resource', 'callee'), (join) => join.on(isOwn('callee', dst)))
    .$if(from !== undefined, (found) => found.where(sql<boolean>`caller.urn = ${from}`))
    .$if(to !== undefined, (found) => found.where(sql<boolean>`callee.urn = ${to}`))
    .$if(given.length > 0, (found) => found.where(requireResources(scope, given)))
  return query
}
