import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../scope.ts'

/**
 * Whether a row that was found by its id belongs to the tenant: checked, not looked up (`is true`).
 *
 * In tables without statistics the planner thinks that a tenant has one row. If it could look rows
 * up by the tenant alone, it would compare each row of one side of a join with all of the other.
 *
 * @example
 * .innerJoin(scope.table('dim_resource', 'resource'), (join) =>
 *   join.onRef('resource.resource_id', '=', 'count.resource_id').on(ofTenant(scope, 'resource')))
 * // on "resource"."resource_id" = "count"."resource_id" and ("resource"."tenant_id" = $1::int8) is true
 */
export const ofTenant = (scope: Scope, alias: string): RawBuilder<boolean> =>
  sql<boolean>`(${sql.ref(`${alias}.tenant_id`)} = ${scope.tenantId}::int8) is true`

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
