import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'

export interface CallFilter {
  /** The caller's URN; every caller when left out. */
  from?: string
  /** The callee's URN; every callee when left out. */
  to?: string
  /** Buckets that begin in it count. */
  range: TimeRange
}

/**
 * The tenant's rows of `service_call_5m` in the range, as `call`, with the resources at both ends, as `caller` and `callee`: what every read of this
 * room begins with.
 *
 * The tenant is part of the joins, so that a URN is found by the unique key `(tenant_id, urn)`.
 */
export function callsInRange(scope: Scope, { from, to, range }: CallFilter) {
  checkedRange(range)
  parse(urnText.optional(), from, 'from')
  parse(urnText.optional(), to, 'to')
  return scope.db
    .selectFrom(scope.table('service_call_5m', 'call'))
    .innerJoin(scope.table('dim_resource', 'caller'), (join) =>
      join.onRef('caller.tenant_id', '=', 'call.tenant_id').onRef('caller.resource_id', '=', 'call.src_resource_id'),
    )
    .innerJoin(scope.table('dim_resource', 'callee'), (join) =>
      join.onRef('callee.tenant_id', '=', 'call.tenant_id').onRef('callee.resource_id', '=', 'call.dst_resource_id'),
    )
    .where('call.tenant_id', '=', scope.tenantId)
    .where('call.bucket', '>=', range.from)
    .where('call.bucket', '<', range.to)
    .$if(from !== undefined, (calls) => calls.where('caller.urn', '=', from!))
    .$if(to !== undefined, (calls) => calls.where('callee.urn', '=', to!))
}
