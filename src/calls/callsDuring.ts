import type { Expression, ExpressionBuilder, Selectable, SqlBool } from 'kysely'
import type { TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { DB } from '../schema/tables.ts'
import { callRows } from './callRows.ts'
import { callsInRange } from './callsInRange.ts'

export interface CallsDuringOptions {
  /** Buckets that begin in it count. */
  range: TimeRange
  /** Which rows of `service_call_5m` count; the edges are made of those alone. */
  where?: CallCondition
}

/** A condition on one row of `service_call_5m` (`call`) and the resources at its ends (`caller`, `callee`). */
export type CallCondition = (eb: ExpressionBuilder<CallTables, keyof CallTables>) => Expression<SqlBool>

export interface CallTables {
  call: Selectable<DB['service_call_5m']>
  caller: Selectable<DB['dim_resource']>
  callee: Selectable<DB['dim_resource']>
}

/**
 * Who called whom in a range: an edge frame, one edge for each pair, in the order of `src`, `dst`.
 *
 * Rows: `src` and `dst`, resource ids; `weight`, calls per second of the range's length; `call_count`, `error_count`; `err_rate` (0..1), null without
 * calls; `p95_ms`, the 95th percentile of all calls of the range in milliseconds, from the merged histograms (at most 1.083 % off), null where no bucket
 * says how long they took. It needs no extension: the graph functions work on it where Apache AGE is missing.
 *
 * `where` decides which buckets count, before they are added up; to choose among the finished edges, narrow the query itself.
 *
 * @throws InvalidInputError when the range is none.
 * @example
 * const inside = callsDuring(scope, { range: last('1 hour'), where: (eb) => eb('callee.type', '=', 'service') })
 * await reach(scope, inside.where('err_rate', '>', 0.05), { from: 'urn:k8s:svc:shop/checkout' }).execute()
 *
 * // select "edge".* from (
 * //   select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst", sum("call"."call_count")::float8 / $1::float8 as "weight", ...
 * //   from "public"."service_call_5m" as "call" inner join ... where "call"."tenant_id" = $2 and ... and "callee"."type" = $5
 * //   group by "call"."src_resource_id", "call"."dst_resource_id" order by "src", "dst"
 * // ) as "edge"
 */
export function callsDuring(scope: Scope, { range, where }: CallsDuringOptions) {
  const together = callRows(scope.id, { alias: 'call' })
  const edges = callsInRange(scope, { range })
    .$if(where !== undefined, (calls) => calls.where(where!))
    .groupBy(['call.src_resource_id', 'call.dst_resource_id'])
    .select([
      'call.src_resource_id as src',
      'call.dst_resource_id as dst',
      together.callsPerSecond(range).as('weight'),
      together.callCount.as('call_count'),
      together.errorCount.as('error_count'),
      together.errorRatio.as('err_rate'),
      together.quantile(0.95).as('p95_ms'),
    ])
    .orderBy('src')
    .orderBy('dst')
  return finished(scope, edges, 'edge')
}
