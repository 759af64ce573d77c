import type { RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'
import { mergedHistogram, quantileOf, rowHistogram, type SampleColumns } from './rowHistogram.ts'

/**
 * The quantile `q` (0..1, nearest rank) of all samples of several rollup rows: an aggregate, for a
 * select with or without `group by`.
 *
 * | a row of | counts |
 * |---|---|
 * | several samples with a histogram | by its histogram |
 * | one sample | by its value, with the same precision; it needs no histogram |
 * | several samples without a histogram | not: its distribution is unknown |
 *
 * Null if no row counts. `exp_histogram_merge` from sql/ merges the rows' histograms, so the answer
 * is within 1.083 % of the sample of that rank. If a histogram was recorded coarser than scale 5,
 * the bound is that of the coarsest. Several quantiles of the same columns in one select merge
 * once: PostgreSQL evaluates equal aggregates together.
 *
 * Literature: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees" (VLDB 2019).
 *
 * @throws InvalidInputError if `q` is not between 0 and 1.
 * @example
 * scope.db
 *   .selectFrom(scope.table('service_call_5m', 'call'))
 *   .where('call.tenant_id', '=', scope.tenantId)
 *   .select(({ ref }) =>
 *     histogramQuantile(scope, { histogram: ref('call.histogram'), count: ref('call.call_count'), single: ref('call.p50_ms') }, 0.99).as('p99_ms'),
 *   )
 *
 * // select "public"."exp_histogram_quantile"("public"."exp_histogram_merge"(
 * //   coalesce("call"."histogram", case when "call"."call_count" = 1 then
 * //     "public"."exp_histogram"("call"."p50_ms") end)), 0.99) as "p99_ms"
 * // from "public"."service_call_5m" as "call" where "call"."tenant_id" = $1
 */
export function histogramQuantile(scope: Scope, columns: SampleColumns, q: number): RawBuilder<number | null> {
  if (!(q >= 0 && q <= 1)) throw new InvalidInputError('q', `must be between 0 and 1, got ${preview(q)}`)
  return quantileOf(scope.id, mergedHistogram(scope.id, rowHistogram(scope.id, columns)), q)
}
