import { sql } from 'kysely'
import { z } from 'zod'
import { comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import { oddCalls, oddityThresholds, type OddityWindows } from './oddCalls.ts'

/** One measure of one caller's calls to one callee that left its normal range. */
export interface CallOddity {
  /** `resource_id` of the caller. */
  src: string
  /** `resource_id` of the callee. */
  dst: string
  src_urn: string
  dst_urn: string
  /** `p95_ms`: milliseconds; `err_rate`: 0..1. */
  measure: 'p95_ms' | 'err_rate'
  /** The measure in the baseline. */
  expected: number
  /** The measure in the range. */
  actual: number
  /** `actual - expected`. */
  rise: number
  /** Calls in the range. */
  call_count: number
}

const callOdditiesOptions = z.strictObject({ ...comparedWindows, thresholds: oddityThresholds.prefault({}) }).superRefine(refuseOverlap)

/**
 * The calls that left their normal range: the caller and callee, the measure, and its values before
 * and now.
 *
 * | | |
 * |---|---|
 * | odd | a measure that rose beyond the thresholds and beyond what chance explains; only rises are odd |
 * | order | errors before latency, the greatest `rise` first, then `src_urn` and `dst_urn` by their bytes |
 * | percentiles | of all calls of a window, from merged histograms: at most 1.083 % off |
 * | a call without a baseline | is odd if it fails; its latency has nothing to compare with |
 * | normal times | no rows |
 *
 * @throws InvalidInputError if a window runs backwards, the two overlap, or a threshold is out of
 * its bounds; names the field.
 * @example
 * const odd = callOddities(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await odd.where('measure', '=', 'err_rate').execute()
 *
 * // select "oddity".* from (
 * //   select "odd"."src", "odd"."dst", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn",
 * //     "odd"."measure", ...
 * //   from (
 * //     with compared_call as (... from "public"."service_call_5m" where tenant_id = $3 and ...
 * //       group by ...), call_measure as (...), odd_measure as (...)
 * //     select ... from odd_measure
 * //   ) as "odd" inner join "public"."dim_resource" as "caller" on ... inner join
 * //     "public"."dim_resource" as "callee" on ... order by ...
 * // ) as "oddity" where "measure" = $17
 */
export function callOddities(scope: Scope, options: OddityWindows): Finished<CallOddity, 'oddity'> {
  const windows = parseOptions(callOdditiesOptions, options)
  const odd = sql<Omit<CallOddity, 'src_urn' | 'dst_urn'>>`(
    with ${oddCalls(scope, windows)}
    select src, dst, measure, expected, actual, rise, calls as call_count from odd_measure
  )`
  const oddities = edgesBetween(scope, odd, 'odd', { src: 'src', dst: 'dst' })
    .select(['odd.src', 'odd.dst', 'caller.urn as src_urn', 'callee.urn as dst_urn'])
    .select(['odd.measure', 'odd.expected', 'odd.actual', 'odd.rise', 'odd.call_count'])
    .orderBy(byBytes('odd.measure'))
    .orderBy('odd.rise', 'desc')
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
  return finished(scope, oddities, 'oddity')
}
