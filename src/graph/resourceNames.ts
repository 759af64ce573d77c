import { sql } from 'kysely'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'

/**
 * What the tenant's resources are called: a vertex frame with `resource_id`, `urn`, `type` and `name`, in the order of `urn`.
 *
 * @example
 * const graph = await toGraphology(activeCalls(scope), { scope, vertices: resourceNames(scope) })
 * graph.mapNodes((id, { urn }) => urn)
 *
 * // select "resource".* from (
 * //   select "resource"."resource_id", "resource"."urn", "resource"."type", "resource"."name"
 * //   from "public"."dim_resource" as "resource" where "resource"."tenant_id" = $1
 * //   order by ("resource"."urn") collate "C"
 * // ) as "resource"
 */
export function resourceNames(scope: Scope) {
  const resources = scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .select(['resource.resource_id', 'resource.urn', 'resource.type', 'resource.name'])
    .orderBy(byBytes(sql.ref('resource.urn')))
  return finished(scope, resources, 'resource')
}
