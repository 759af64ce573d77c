import { sql, type RawBuilder, type Selectable, type SelectQueryBuilder } from 'kysely'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceOf } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import type { DB } from '../schema/tables.ts'
import { urnText } from '../schema/text.ts'

export interface CallFilter {
  /** The caller's URN; every caller if it is not given. */
  from?: string
  /** The callee's URN; every callee if it is not given. */
  to?: string
  /** Buckets that begin in it count. */
  range: TimeRange
}

export const callFilter = { from: urnText.optional(), to: urnText.optional(), range: timeRange }

type Call = Selectable<DB['service_call_5m']>

/**
 * The tenant's calls in a range as `call`. Every read of this room starts with it, adds them up by
 * the ids of their ends, and then looks up the names (`edgesBetween`, `resourceAt`).
 *
 * @param calls the source of the rows: `service_call_5m`, or a table with its columns.
 */
export function callsBetween(
  scope: Scope,
  { from, to, range }: CallFilter,
  calls: RawBuilder<Call> = sql<Call>`${scope.id('service_call_5m')}`,
): SelectQueryBuilder<{ call: Call }, 'call', {}> {
  const given = [from, to].filter((urn) => urn !== undefined)
  return scope.db
    .selectFrom(calls.as('call'))
    .$if(from !== undefined, (all) => all.where('call.src_resource_id', '=', resourceOf(scope, from!)))
    .$if(to !== undefined, (all) => all.where('call.dst_resource_id', '=', resourceOf(scope, to!)))
    .$if(given.length > 0, (all) => all.where(requireResources(scope, given)))
    .where('call.tenant_id', '=', scope.tenantId)
    .where('call.bucket', '>=', range.from)
    .where('call.bucket', '<', range.to)
}
