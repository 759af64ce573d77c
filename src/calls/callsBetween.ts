import { sql, type RawBuilder, type Selectable } from 'kysely'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { edgesBetween, type EdgesBetween } from '../graph/edgesBetween.ts'
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
 * The tenant's calls in a range as `call`, with `caller` and `callee`. Every read of this room
 * starts with it.
 *
 * @param calls the source of the rows: `service_call_5m`, or a table with its columns.
 */
export const callsBetween = (
  scope: Scope,
  { from, to, range }: CallFilter,
  calls: RawBuilder<Call> = sql<Call>`${scope.id('service_call_5m')}`,
): EdgesBetween<Call, 'call'> =>
  edgesBetween(scope, calls, 'call', { src: 'src_resource_id', dst: 'dst_resource_id', from, to })
    .where('call.tenant_id', '=', scope.tenantId)
    .where('call.bucket', '>=', range.from)
    .where('call.bucket', '<', range.to)
