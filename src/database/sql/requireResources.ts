import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../scope.ts'

/**
 * A condition of every read that is given URNs: true, or the statement fails and names the first
 * that the tenant does not have. So a mistyped URN does not answer like a quiet resource.
 *
 * The server asks it while it plans the statement, and the plan has no trace of it.
 *
 * @example
 * .where(requireResources(scope, ['urn:k8s:svc:shop/checkout']))
 * // where "public"."require_resources"($1::int8, $2::text[])
 */
export const requireResources = (scope: Scope, urns: readonly string[]): RawBuilder<boolean> =>
  sql<boolean>`${scope.id('require_resources')}(${scope.tenantId}::int8, ${urns}::text[])`
