import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import type { SeriesRow } from '../series/seriesFrame.ts'
import { callLadder } from './callPolicy.ts'
import { callRows, callSide, type CallSide } from './callRows.ts'
import { callFilter, callsBetween, type CallFilter } from './callsBetween.ts'

/**
 * The measures of a call series: latency percentiles (ms), error ratio (0..1), calls per second,
 * and counts.
 */
export const callMeasures = ['p50_ms', 'p95_ms', 'err_rate', 'rps', 'call_count', 'error_count'] as const
export type CallMeasure = (typeof callMeasures)[number]

export interface CallSeriesOptions extends CallFilter {
  measure: CallMeasure
  /**
   * What a series stands for. `'call'`: one caller calling one callee. `'callee'`: all calls to a
   * resource. `'caller'`: all calls from a resource. Default: `'call'` if both ends are given,
   * otherwise `'callee'`.
   */
  by?: 'call' | 'callee' | 'caller'
  /**
   * Whose latency, if `measure` is a percentile. `'caller'`: what the caller waited. `'callee'`:
   * what the callee took. Default: `'caller'`.
   */
  side?: CallSide
  /**
   * The length of the buckets: `'5 minutes'`, `'30 minutes'`, `'1 hour'`, `'1 day'`. Default:
   * `'auto'`, by the length of the range.
   */
  resolution?: Resolution
}

/** The measure of one call, or of all calls to or from one resource, in one bucket. */
export interface CallPoint extends SeriesRow {
  /** The callee or caller that the series stands for; null with `by: 'call'`. */
  resource_id: string | null
}

const callSeriesOptions = z
  .strictObject({
    ...callFilter,
    measure: z.enum(callMeasures),
    by: z.enum(['call', 'callee', 'caller']).optional(),
    side: callSide,
    resolution: z.string().optional(),
  })
  .refine(({ side, measure }) => side === 'caller' || measure === 'p50_ms' || measure === 'p95_ms', {
    path: ['side'],
    error: ({ input }) => `${(input as { measure: string }).measure} is one number for both sides: a side is of p50_ms and p95_ms`,
  })

/**
 * Calls over time: a series frame. Ordered by series (by their bytes), then time.
 *
 * | given | series | named |
 * |---|---|---|
 * | `from` and `to` | that one dependency | `<from> -> <to>` |
 * | `to` | one: all calls to it | its URN |
 * | `from` | one for each service it calls | the callee's URN |
 * | neither | one for each service that is called | the callee's URN |
 *
 * `by` overrides this: `from` with `by: 'caller'` gives one series, of all that the service calls.
 *
 * | | |
 * |---|---|
 * | a bucket without calls | has no row |
 * | `value` | in the measure's unit; null if the bucket did not measure it |
 * | one row of a dependency (`by: 'call'`) | is given as stored |
 * | several rows in one bucket | counts and calls per second are added, the error ratio is all errors divided by all calls, percentiles come from the merged histograms (at most 1.083 % off) |
 * | `side: 'callee'` | what the callees' own spans took; null if none arrived |
 * | range | buckets that begin in it count as a whole: an hour that began before it is left out, and the last one extends past its end |
 * | read from | up to 35 days `service_call_5m`, up to 420 `service_call_1h`, beyond that `service_call_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 *
 * `resolution` overrides the choice of the table; set it if you combine two frames. A longer bucket
 * covers all its calls, as several rows of one bucket do. Its `rps` is over its whole length, so
 * the `rps` of a running hour or day still rises.
 *
 * @throws InvalidInputError if a URN, the range, the measure, `by`, `side` or the resolution is
 * invalid; names the field.
 * @example
 * const latency = callSeries(scope, { to: 'urn:k8s:svc:shop/checkout', measure: 'p95_ms', range: last('6 hours') })
 * const odd = anomalies(scope, latency)
 *
 * // select "point".* from (
 * //   select "resource"."urn" as "series", "call"."bucket", "call"."value", "call"."resource_id"
 * //   from (
 * //     select "call"."dst_resource_id" as "resource_id", "call"."bucket" as "bucket",
 * //       "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(...), 0.95) as "value"
 * //     from "public"."service_call_5m" as "call" where
 * //       "call"."dst_resource_id" = (select ...) and "call"."tenant_id" = $5 and ...
 * //     group by "call"."dst_resource_id", "call"."bucket"
 * //   ) as "call" inner join lateral (...) as "resource" on true
 * //   order by ("resource"."urn") collate "C", "call"."bucket"
 * // ) as "point"
 */
export function callSeries(scope: Scope, options: CallSeriesOptions): Finished<CallPoint, 'point'> {
  const { measure, from, to, range, resolution, by, side } = parseOptions(callSeriesOptions, options)
  const group = by ?? (from !== undefined && to !== undefined ? 'call' : 'callee')
  const reading = readingOf(scope, callLadder, range, resolution)
  const bucket = seriesBucket(reading, sql.ref('call.bucket'))
  const calls = callsBetween(scope, { from, to, range: reading.range }, rowsOf(scope, callLadder, reading))
  const together = callRows(scope.id, { alias: 'call', side })
  const measures: Record<CallMeasure, RawBuilder<number | null>> = {
    p50_ms: together.quantile(0.5),
    p95_ms: together.quantile(0.95),
    err_rate: together.errorRatio,
    rps: together.meanRate(reading.merged),
    call_count: together.callCount,
    error_count: together.errorCount,
  }
  const merged = measures[measure]
  const stored = measure === 'p50_ms' || measure === 'p95_ms' ? together.latency(measure) : sql.ref<number | null>(`call.${measure}`)
  if (group === 'call') {
    const value =
      reading.merged === 1
        ? calls.select(sql<number | null>`${stored}::float8`.as('value'))
        : calls.groupBy(['call.src_resource_id', 'call.dst_resource_id']).groupBy(bucket).select(merged.as('value'))
    const each = value.select(['call.src_resource_id as src', 'call.dst_resource_id as dst', bucket.as('bucket')])
    const name = sql<string>`caller.urn || ' -> ' || callee.urn`
    const points = edgesBetween(scope, each, 'call', { src: 'src', dst: 'dst' })
      .select([name.as('series'), 'call.bucket', 'call.value', sql<string | null>`null::int8`.as('resource_id')])
      .orderBy(byBytes(name))
      .orderBy('call.bucket')
    return finished(scope, points, 'point')
  }
  const id = group === 'callee' ? 'call.dst_resource_id' : 'call.src_resource_id'
  const each = calls
    .groupBy(id)
    .groupBy(bucket)
    .select([`${id} as resource_id`, bucket.as('bucket'), merged.as('value')])
  const points = scope.db
    .selectFrom(each.as('call'))
    .innerJoinLateral(resourceAt(scope, 'call.resource_id').as('resource'), (join) => join.onTrue())
    .select(['resource.urn as series', 'call.bucket', 'call.value', sql.ref<string | null>('call.resource_id').as('resource_id')])
    .orderBy(byBytes('resource.urn'))
    .orderBy('call.bucket')
  return finished(scope, points, 'point')
}
