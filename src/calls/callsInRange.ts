import { sql, type RawBuilder, type Selectable } from 'kysely'
import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import type { DB } from '../schema/tables.ts'
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
 * The tenant's rows of `service_call_5m`, or of a coarser rollup of it, in the range, as `call`, with the resources at both ends, as `caller` and `callee`: what every read of this
 * room begins with.
 *
 * @param calls where the rows are: `service_call_5m`, or what has its columns.
 *
 * The tenant is part of the joins, so that a URN is found by the unique key `(tenant_id, urn)`.
 */
export function callsInRange(
  scope: Scope,
  { from, to, range: given }: CallFilter,
  calls: RawBuilder<Selectable<DB['service_call_5m']>> = sql`${scope.id('service_call_5m')}`,
) {
  const range = checkedRange(given)
  parse(urnText.optional(), from, 'from')
  parse(urnText.optional(), to, 'to')
  return scope.db
    .selectFrom(calls.as('call'))
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
