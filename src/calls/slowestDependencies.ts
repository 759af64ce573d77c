import { sql } from 'kysely'
import { z } from 'zod'
import { bounded } from '../database/sql/bounded.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { callsInRange } from './callsInRange.ts'

export interface SlowestDependenciesOptions {
  /** The caller's URN. */
  service: string
  /** Buckets that begin in it count. */
  range: TimeRange
  /** At most so many rows. Default: 5. */
  limit?: number
}

/**
 * The services that `service` calls, worst first: by mean of the 5-minute 95th percentiles, then by mean error ratio, then by URN.
 *
 * Rows: `urn` of the callee; `mean_p95_ms` (milliseconds) and `mean_err_rate` (0..1), null where no bucket measured them (last in the order).
 * A dependency without a single bucket in the range is absent. Buckets weigh the same whatever their traffic, as in typical query 1 of the
 * schema's source: for exact percentiles of the whole range use `callSummary`.
 *
 * @throws InvalidInputError when the URN, the range or the limit is none.
 * @example
 * const worst = slowestDependencies(scope, { service: 'urn:k8s:svc:shop/checkout', range: last('30 minutes') })
 * await worst.where('mean_err_rate', '>', 0.01).execute()
 *
 * // select "dependency".* from (
 * //   select "callee"."urn" as "urn", avg("call"."p95_ms") as "mean_p95_ms", avg("call"."err_rate") as "mean_err_rate"
 * //   from "public"."service_call_5m" as "call"
 * //   inner join "public"."dim_resource" as "caller" on ... inner join "public"."dim_resource" as "callee" on ...
 * //   where "call"."tenant_id" = $1 and "call"."bucket" >= $2 and "call"."bucket" < $3 and "caller"."urn" = $4
 * //   group by "callee"."urn" order by "mean_p95_ms" desc nulls last,
 * //     "mean_err_rate" desc nulls last, ("callee"."urn") collate "C" limit $5
 * // ) as "dependency" where "mean_err_rate" > $6
 */
export function slowestDependencies(scope: Scope, { service, range, limit = 5 }: SlowestDependenciesOptions) {
  const worst = callsInRange(scope, { from: parse(urnText, service, 'service'), range })
    .groupBy('callee.urn')
    .select(({ fn }) => [
      'callee.urn as urn',
      fn.avg<number | null>(sql.raw(bounded('"call"."p95_ms"'))).as('mean_p95_ms'),
      fn.avg<number | null>('call.err_rate').as('mean_err_rate'),
    ])
    .orderBy('mean_p95_ms', (order) => order.desc().nullsLast())
    .orderBy('mean_err_rate', (order) => order.desc().nullsLast())
    .orderBy(byBytes(sql.ref('callee.urn')))
    .limit(parse(z.int().min(1), limit, 'limit'))
  return finished(scope, worst, 'dependency')
}
