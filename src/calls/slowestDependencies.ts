import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { bounded } from '../database/sql/bounded.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { descNullsLast } from '../database/sql/descNullsLast.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { callsBetween } from './callsBetween.ts'

export interface SlowestDependenciesOptions {
  /** The URN of the calling service. */
  service: string
  /** Buckets that begin in it count. */
  range: TimeRange
  /** The most rows to return. Default: 5. */
  limit?: number
}

export interface SlowestDependency {
  /** URN of the called service. */
  dst_urn: string
  /** Mean of the 5-minute 95th percentiles, in milliseconds; null if no bucket measured one. */
  mean_p95_ms: number | null
  /** Mean of the 5-minute error ratios, 0..1; null if no bucket measured one. */
  mean_err_rate: number | null
}

const slowestDependenciesOptions = z.strictObject({ service: urnText, range: timeRange, limit: z.int().min(1).default(5) })

/**
 * The services that `service` calls, slowest first.
 *
 * | | |
 * |---|---|
 * | order | `mean_p95_ms`, then `mean_err_rate`, both descending with nulls last; then `dst_urn` by its bytes |
 * | absent | a dependency without a bucket in the range |
 * | weights | every bucket counts the same, whatever its traffic (typical query 1 of the schema's source) |
 * | exact percentiles of the whole range | use `callSummary` |
 *
 * @throws InvalidInputError if `service`, the range or `limit` is invalid; names the field.
 * @example
 * const worst = slowestDependencies(scope, { service: 'urn:k8s:svc:shop/checkout', range: last('30 minutes') })
 * await worst.where('mean_err_rate', '>', 0.01).execute()
 *
 * // select "dependency".* from (
 * //   select "callee"."urn" as "dst_urn", "call"."mean_p95_ms", "call"."mean_err_rate"
 * //   from (
 * //     select "call"."dst_resource_id" as "dst", avg(call.p95_ms) as "mean_p95_ms",
 * //       avg("call"."err_rate") as "mean_err_rate"
 * //     from "public"."service_call_5m" as "call"
 * //     where "call"."src_resource_id" = (select given.resource_id from ... given.urn = $2) and
 * //       "public"."require_resources"($3::int8, $4::text[]) and "call"."tenant_id" = $5 and
 * //       "call"."bucket" >= $6 and "call"."bucket" < $7 group by "call"."dst_resource_id"
 * //   ) as "call" inner join lateral (...) as "callee" on true
 * //   order by "mean_p95_ms" desc nulls last, "mean_err_rate" desc nulls last,
 * //     ("callee"."urn") collate "C" limit $9
 * // ) as "dependency" where "mean_err_rate" > $10
 */
export function slowestDependencies(scope: Scope, options: SlowestDependenciesOptions): Finished<SlowestDependency, 'dependency'> {
  const { service, range, limit } = parseOptions(slowestDependenciesOptions, options)
  const means = callsBetween(scope, { from: service, range })
    .groupBy('call.dst_resource_id')
    .select(({ fn }) => [
      'call.dst_resource_id as dst',
      fn.avg<number | null>(sql.raw(bounded('call.p95_ms'))).as('mean_p95_ms'),
      fn.avg<number | null>('call.err_rate').as('mean_err_rate'),
    ])
  const worst = scope.db
    .selectFrom(means.as('call'))
    .innerJoinLateral(resourceAt(scope, 'call.dst').as('callee'), (join) => join.onTrue())
    .select(['callee.urn as dst_urn', 'call.mean_p95_ms', 'call.mean_err_rate'])
    .orderBy('mean_p95_ms', descNullsLast)
    .orderBy('mean_err_rate', descNullsLast)
    .orderBy(byBytes('callee.urn'))
    .limit(limit)
  return finished(scope, worst, 'dependency')
}
