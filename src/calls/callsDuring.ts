import type { AliasableExpression, Expression, ExpressionBuilder, Selectable, SqlBool } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { edgesBetween, type Ends } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import type { DB } from '../schema/tables.ts'
import { callRows, callSide, type CallSide } from './callRows.ts'
import { callsBetween } from './callsBetween.ts'

export interface CallsDuringOptions {
  /** Buckets that begin in it count. */
  range: TimeRange
  /** Which rows of `service_call_5m` count; all others are ignored. */
  where?: CallCondition
  /**
   * Whose latency `p95_ms` is. `'caller'`: what the caller waited. `'callee'`: what the callee
   * took. Default: `'caller'`.
   */
  side?: CallSide
}

/**
 * A condition on one row of `service_call_5m` (`call`) and the resources at its ends (`caller`,
 * `callee`).
 */
export type CallCondition = (eb: ExpressionBuilder<CallTables, keyof CallTables>) => Expression<SqlBool>

export interface CallTables extends Ends {
  call: Selectable<DB['service_call_5m']>
}

/** The calls from one resource to another in a range: an edge. */
export interface CallsDuringRow {
  /** `resource_id` of the caller. */
  src: string
  /** `resource_id` of the callee. */
  dst: string
  /** Calls per second, over the length of the range. */
  weight: number
  call_count: number
  error_count: number
  /** Errors divided by calls, 0..1; null without calls. */
  err_rate: number | null
  /**
   * 95th percentile of all calls of the range, in milliseconds; null if no bucket has latencies.
   */
  p95_ms: number | null
}

const callsDuringOptions = z.strictObject({
  range: timeRange,
  where: z.custom<CallCondition>((where) => typeof where === 'function', 'must be a function').optional(),
  side: callSide,
})

/**
 * The calls between resources in a range: an edge frame with one edge for each pair.
 *
 * | | |
 * |---|---|
 * | order | `src`, `dst` |
 * | percentiles | from the merged histograms: at most 1.083 % off |
 * | `where` | filters buckets before they are added up; to filter finished edges, narrow the query itself |
 * | needs | no extension: use it for the graph functions if Apache AGE is missing |
 *
 * @throws InvalidInputError if the range, `where` or `side` is invalid; names the field.
 * @example
 * const inside = callsDuring(scope, { range: last('1 hour'), where: (eb) => eb('callee.type', '=', 'service') })
 * await reach(scope, inside.where('err_rate', '>', 0.05), { from: 'urn:k8s:svc:shop/checkout' }).execute()
 *
 * // select "edge".* from (
 * //   select "call"."src_resource_id" as "src", "call"."dst_resource_id" as "dst",
 * //     sum("call"."call_count")::float8 / $1::float8 as "weight", ...
 * //   from (
 * //     select "call".* from (select "call".* from "public"."service_call_5m" as "call" where ...) as "call"
 * //     inner join lateral (...) as "caller" on true inner join lateral (...) as "callee" on true
 * //     where "callee"."type" = $7
 * //   ) as "call"
 * //   group by "call"."src_resource_id", "call"."dst_resource_id" order by "src", "dst"
 * // ) as "edge"
 */
export function callsDuring(scope: Scope, options: CallsDuringOptions): Finished<CallsDuringRow, 'edge'> {
  const { range, where, side } = parseOptions(callsDuringOptions, options)
  const together = callRows(scope.id, { alias: 'call', side })
  const calls = callsBetween(scope, { range }).selectAll('call')
  // The ends are only looked up for a condition, which may be on them.
  const counting: AliasableExpression<CallTables['call']> =
    where === undefined
      ? calls
      : edgesBetween(scope, calls, 'call', { src: 'src_resource_id', dst: 'dst_resource_id' }).where(where).selectAll('call')
  const edges = scope.db
    .selectFrom(counting.as('call'))
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
