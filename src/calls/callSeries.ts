import { sql } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { callsInRange, type CallFilter } from './callsInRange.ts'
import { mergedCalls } from './callMeasures.ts'

/** What a call series can measure: latency percentiles (ms), error ratio (0..1), calls per second, and counts. */
export const callMeasures = ['p50_ms', 'p95_ms', 'err_rate', 'rps', 'call_count', 'error_count'] as const
export type CallMeasure = (typeof callMeasures)[number]

export interface CallSeriesOptions extends CallFilter {
  measure: CallMeasure
  /**
   * What a series stands for: `'call'`, one caller calling one callee; `'callee'`, everybody calling it; `'caller'`, everything it calls. Default:
   * `'call'` when both ends are given, else `'callee'`.
   */
  by?: 'call' | 'callee' | 'caller'
}

/**
 * How calls went, 5 minutes at a time: a series frame, in the order of series and time.
 *
 * | given | series | named |
 * |---|---|---|
 * | `from` and `to` | that one dependency | `<from> -> <to>` |
 * | `to` | one: everybody calling it | its URN |
 * | `from` | one for each service it calls | the callee's URN |
 * | neither | one for each service that is called | the callee's URN |
 *
 * `by` says otherwise: with `from` and `by: 'caller'` there is one series, everything that service calls.
 *
 * Rows: `series`, `bucket` (when it begins), `value` in the measure's unit. A bucket without calls has no row; `value` is null where the bucket did not
 * measure it. One row of a dependency is given as stored (`by: 'call'`). Several in one bucket are put together: counts and calls per second add, the
 * error ratio is all errors by all calls, and percentiles are those of all calls, from the merged histograms (at most 1.083 % off); they never are
 * averages of percentiles.
 *
 * @throws InvalidInputError when a URN, the range or the measure is none.
 * @example
 * const latency = callSeries(scope, { to: 'urn:k8s:svc:shop/checkout', measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency)
 *
 * // select "point".* from (
 * //   select "callee"."urn" as "series", "call"."bucket",
 * //     "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(coalesce("call"."histogram", ...)), 0.95) as "value"
 * //   from "public"."service_call_5m" as "call" inner join ... where "call"."tenant_id" = $1 and ... and "callee"."urn" = $4
 * //   group by "callee"."urn", "call"."bucket" order by "series", "bucket"
 * // ) as "point"
 */
export function callSeries(
  scope: Scope,
  { measure, from, to, range, by = from !== undefined && to !== undefined ? 'call' : 'callee' }: CallSeriesOptions,
) {
  parse(z.enum(callMeasures), measure, 'measure')
  const group = parse(z.enum(['call', 'callee', 'caller']), by, 'by')
  const calls = callsInRange(scope, { from, to, range })
  const points =
    group === 'call'
      ? calls.select([
          sql<string>`"caller"."urn" || ' -> ' || "callee"."urn"`.as('series'),
          'call.bucket',
          sql<number | null>`${sql.ref(`call.${measure}`)}::float8`.as('value'),
        ])
      : calls
          .groupBy([`${group}.urn`, 'call.bucket'])
          .select([
            `${group}.urn as series`,
            'call.bucket',
            (measure === 'rps' ? sql<number | null>`sum("call"."rps")` : mergedCalls(scope)[measure]).as('value'),
          ])
  const inOrder = points.orderBy('series').orderBy('bucket')
  return scope.db.selectFrom(inOrder.as('point')).selectAll('point')
}
