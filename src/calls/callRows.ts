import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { milliseconds, secondsOf, type TimeRange } from '../database/range.ts'
import { windowBucket } from '../database/buckets.ts'
import type { Scope } from '../database/scope.ts'
import { bounded } from '../database/sql/bounded.ts'
import type { DB } from '../schema/tables.ts'
import { mergedHistogram, quantileOf, rowHistogram } from '../sketch/rowHistogram.ts'

/** The length of a bucket of `service_call_5m`, in seconds. */
export const bucketSeconds = milliseconds(windowBucket) / 1_000

/**
 * Whose latency of a call. `'caller'`: what the caller waited, including the network and queues.
 * `'callee'`: what the callee took, as far as its spans arrived.
 */
export const callSides = ['caller', 'callee'] as const
export type CallSide = (typeof callSides)[number]

/** The `side` option of reads with latency. */
export const callSide = z.enum(callSides).default('caller')

const latencyColumns = {
  caller: { histogram: 'histogram', count: 'call_count', p50_ms: 'p50_ms', p95_ms: 'p95_ms' },
  callee: { histogram: 'callee_histogram', count: 'callee_count', p50_ms: 'callee_p50_ms', p95_ms: 'callee_p95_ms' },
} as const satisfies Record<CallSide, Record<string, keyof DB['service_call_5m']>>

/**
 * Expressions over rows of `service_call_5m` or its rollups. Every read and rollup of calls uses
 * them. Except for `callsPerSecond` they contain no parameters, so a view can contain them.
 *
 * | | over |
 * |---|---|
 * | `histogram` | one row. A single call has no stored histogram: its latency, `p50_ms`, is every percentile |
 * | `assumedHistogram` | one row without a histogram, as if all its calls took as long as that percentile of them |
 * | `latency` | one row: a percentile as stored |
 * | `rate` | one row: calls per second, as sums take it |
 * | `callCount`, `errorCount` | several rows: sums |
 * | `errorRatio` | several rows: all errors divided by all calls; null without calls |
 * | `timedCount` | several rows: the calls of those that have latencies; null without any |
 * | `callsPerSecond` | several rows: all calls divided by the length of a range |
 * | `meanRate` | several rows of consecutive buckets: calls per second |
 * | `merged`, `quantile` | several rows: the histogram of all their calls, and its quantiles |
 *
 * @param fn names a function that `sql/` installs: `scope.id`.
 * @param options `alias`: the alias of the rows in the statement; omit it if their columns need no
 * qualifier. `rolled`: all rows come from a rollup, which has a histogram even for one call.
 * `side`: whose latency `histogram`, the percentiles and `latency` are.
 */
export function callRows(
  fn: Scope['id'],
  { alias, rolled = false, side = 'caller' }: { alias?: string; rolled?: boolean; side?: CallSide } = {},
) {
  const columns = latencyColumns[side]
  const text = (column: string) => (alias === undefined ? column : `${alias}.${column}`)
  const column = <T>(name: string): RawBuilder<T> => sql.raw<T>(text(name))
  const samples = {
    histogram: column<Buffer | null>(columns.histogram),
    count: column<string>(columns.count),
    single: column<number | null>(columns.p50_ms),
  }
  const histogram = rolled ? samples.histogram : rowHistogram(fn, samples)
  const merged = mergedHistogram(fn, histogram)
  const rate = sql.raw<number | null>(bounded(text('rps')))
  const [calls, errors] = [sql`sum(${column('call_count')})`, sql`sum(${column('error_count')})`]
  return {
    histogram,
    assumedHistogram: (percentile: 'p50_ms' | 'p95_ms') =>
      sql<Buffer | null>`${fn('exp_histogram')}(${column(columns[percentile])}, greatest(${samples.count}, 1))`,
    latency: (percentile: 'p50_ms' | 'p95_ms') => column<number | null>(columns[percentile]),
    rate,
    callCount: sql<number>`${calls}::float8`,
    errorCount: sql<number>`${errors}::float8`,
    errorRatio: sql<number | null>`${errors}::float8 / nullif(${calls}, 0::numeric)::float8`,
    timedCount: sql<number | null>`(sum(${samples.count}) filter (where ${histogram} is not null))::float8`,
    callsPerSecond: (range: TimeRange) => sql<number>`${calls}::float8 / ${secondsOf(range)}::float8`,
    meanRate: (buckets: number) =>
      buckets === 1 ? sql<number | null>`sum(${rate})` : sql<number | null>`sum(${rate}) / ${sql.lit(buckets)}::float8`,
    merged,
    quantile: (q: number) => quantileOf(fn, merged, q),
  }
}
