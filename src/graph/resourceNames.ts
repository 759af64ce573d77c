import { byBytes } from '../database/sql/byBytes.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { VertexRow } from './vertexFrame.ts'

export interface ResourceName extends VertexRow {
  urn: string
  /** `service`, `host`, `database`, `queue`, ... */
  type: string
  /** The name for people to read. */
  name: string
}

/**
 * The URN, type and name of the tenant's resources: a vertex frame. Ordered by `urn` (by its
 * bytes).
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
export function resourceNames(scope: Scope): Finished<ResourceName, 'resource'> {
  const resources = scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .select(['resource.resource_id', 'resource.urn', 'resource.type', 'resource.name'])
    .orderBy(byBytes('resource.urn'))
  return finished(scope, resources, 'resource')
}
