import { sql, type RawBuilder, type Selectable } from 'kysely'
import type { DB } from '../../schema/tables.ts'
import type { Scope } from '../scope.ts'

/**
 * The tenant's row with an id, for a lateral join: looked up in an index, once for each row of the
 * other side.
 *
 * In tables without statistics, or with those of other tenants alone, the planner thinks that a
 * tenant has one row. It would compare each row of one side of a join with all of the other. The
 * offset leaves it no choice, and the id finds the row (the tenant is checked: `is true`). So
 * aggregate first: an id should be looked up once for each group, not once for each bucket.
 *
 * @example
 * .innerJoinLateral(rowOf(scope, 'dim_resource', 'resource_id', 'call.dst').as('callee'), (join) => join.onTrue())
 *
 * // inner join lateral (select known.* from "public"."dim_resource" as known where
 * //   known."resource_id" = "call"."dst" and (known.tenant_id = $1::int8) is true offset 0) as
 * //   "callee" on true
 */
export const rowOf = <Table extends 'dim_resource' | 'kb_doc' | 'log_pattern'>(
  scope: Scope,
  table: Table,
  key: keyof DB[Table] & string,
  id: string,
): RawBuilder<Selectable<DB[Table]>> =>
  sql<
    Selectable<DB[Table]>
  >`(select known.* from ${scope.id(table)} as known where known.${sql.id(key)} = ${sql.ref(id)} and (known.tenant_id = ${scope.tenantId}::int8) is true offset 0)`

/** The tenant's resource with an id, see {@link rowOf}. */
export const resourceAt = (scope: Scope, id: string): RawBuilder<Selectable<DB['dim_resource']>> =>
  rowOf(scope, 'dim_resource', 'resource_id', id)

/**
 * The id of the tenant's resource with a URN, as a value that a statement looks up once.
 *
 * @example
 * .where('count.resource_id', '=', resourceOf(scope, 'urn:k8s:svc:shop/checkout'))
 * // where "count"."resource_id" = (select given.resource_id from "public"."dim_resource" as given
 * //   where given.tenant_id = $1::int8 and given.urn = $2)
 */
export const resourceOf = (scope: Scope, urn: string): RawBuilder<string> =>
  sql<string>`(select given.resource_id from ${scope.id('dim_resource')} as given where given.tenant_id = ${scope.tenantId}::int8 and given.urn = ${urn})`

/**
 * Whether a row that was found by its id belongs to the tenant: checked, not looked up.
 *
 * Of a comparison the planner thinks, without statistics, that one row in 200 passes, and then
 * compares all rows that it found with all resources, one by one. Of a `case` it thinks that half
 * of the rows pass.
 *
 * @example
 * join.onRef('resource.resource_id', '=', 'metric.resource_id').on(ofTenant(scope, 'resource'))
 * // on "resource"."resource_id" = "metric"."resource_id" and
 * //   case when "resource"."tenant_id" = $1::int8 then true else false end
 */
export const ofTenant = (scope: Scope, alias: string): RawBuilder<boolean> =>
  sql<boolean>`case when ${sql.ref(`${alias}.tenant_id`)} = ${scope.tenantId}::int8 then true else false end`
