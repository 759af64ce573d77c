import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../scope.ts'

/**
 * A condition of every read that is given URNs: true, or the statement fails and names the first
 * URN that the tenant does not have. So a mistyped URN does not look like a resource without data.
 *
 * The server evaluates it while planning, so it is not in the plan.
 *
 * @example
 * .where(requireResources(scope, ['urn:k8s:svc:shop/checkout']))
 * // where "public"."require_resources"($1::int8, $2::text[])
 */
export const requireResources = (scope: Scope, urns: readonly string[]): RawBuilder<boolean> =>
  sql<boolean>`${scope.id('require_resources')}(${scope.tenantId}::int8, ${urns}::text[])`
