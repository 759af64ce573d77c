import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { histogramQuantile } from '../sketch/histogramQuantile.ts'

/**
 * What is known of several rows of a rollup of calls (as `call`) together: aggregates over them.
 * Counts add, the error ratio is that of the counts, and percentiles come from the merged
 * histograms.
 */
export const mergedCalls = (scope: Scope) => {
  const percentile = (q: number) => {
    // The one call of a row without a histogram took p50_ms, which is also its p95_ms.
    const columns = { histogram: sql.ref<string[] | null>('call.histogram'), count: sql.ref<string>('call.call_count') }
    return histogramQuantile(scope, { ...columns, single: sql.ref<number | null>('call.p50_ms') }, q)
  }
  return {
    call_count: sql<number>`sum("call"."call_count")::float8`,
    error_count: sql<number>`sum("call"."error_count")::float8`,
    err_rate: sql<number | null>`sum("call"."error_count")::float8 / nullif(sum("call"."call_count")::float8, 0::float8)`,
    p50_ms: percentile(0.5),
    p95_ms: percentile(0.95),
    p99_ms: percentile(0.99),
  }
}

/** Calls per second over a number of seconds. */
export const callsPerSecond = (seconds: number): RawBuilder<number> => sql<number>`sum("call"."call_count")::float8 / ${seconds}::float8`
