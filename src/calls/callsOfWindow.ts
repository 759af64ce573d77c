import { sql } from 'kysely'
import { z } from 'zod'
import { bounded } from '../database/sql/bounded.ts'
import type { Finished } from '../database/finished.ts'
import { durationText, earlier } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { storableDate } from '../schema/date.ts'
import type { ActiveCall } from './activeCalls.ts'
import { bucketSeconds, callRows } from './callRows.ts'

export interface CallWindow {
  /**
   * The length of the window: 5-minute buckets that begin at `now - window` or later count. Default
   * `'10 minutes'`.
   */
  window?: string
  /** The end of the window. Default: the caller's clock. */
  now?: Date
}

export const callWindow = z.strictObject({
  window: durationText.default('10 minutes'),
  now: storableDate.default(() => new Date()),
})

/** The properties of an edge of the active call graph. */
export const edgeProperties = ['rps', 'err_rate', 'p50_ms', 'p95_ms', 'first_seen', 'last_seen'] as const satisfies (keyof WindowCall)[]

/**
 * A call as the graph will store it: times are ISO 8601 text in UTC, because agtype has no times.
 */
export interface WindowCall extends Omit<ActiveCall, 'first_seen' | 'last_seen'> {
  first_seen: string
  last_seen: string
}

/**
 * The edges of the window.
 *
 * The result must not depend on the order of the rows, or two refreshes of the same rows could
 * differ in the last digit. Counts are therefore added as float8 (exact below 2^53) and other sums
 * as numerics. Stored rates and ratios are used only if no row has counts.
 *
 * The percentiles of several buckets come from `exp_histogram_merge`. A bucket without a histogram
 * counts as that many calls of its own p50 for one percentile, and of its p95 for the other. If the
 * two are equal, it counts as if it had a histogram.
 */
export function callsOfWindow(scope: Scope, { window, now }: Required<CallWindow>): Finished<WindowCall, 'call'> {
  const from = earlier(now, window)
  const rows = callRows(scope.id)
  const collect = scope.id('exp_histogram_collect')
  const quantiles = scope.id('exp_histogram_quantiles')
  const ratio = sql.raw(bounded('err_rate'))
  const active = sql`
    from ${scope.id('service_call_5m')} where tenant_id = ${scope.tenantId}::int8 and bucket >= ${from}::timestamptz and bucket <= ${now}::timestamptz
  `
  const calls = sql<Omit<WindowCall, 'weight'>>`(
    with span as materialized (
      select bucket, to_char(bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as name, ${sql.lit(bucketSeconds)} * count(*) over () as seconds
      from (select bucket ${active} group by bucket) as met
    ),
    call as (
      select
        src_resource_id as src,
        dst_resource_id as dst,
        count(*) as buckets,
        sum(call_count::float8) as calls,
        sum(error_count::float8) as errors,
        sum((${rows.rate})::numeric) filter (where call_count = 0) as rps,
        avg((${ratio})::numeric) filter (where call_count = 0) as err_rate,
        min(p50_ms) as p50_ms,
        min(p95_ms) as p95_ms,
        ${collect}(coalesce(histogram, ${rows.assumedHistogram('p95_ms')}) order by bucket)
          filter (where histogram is not null or p50_ms = p95_ms) as known,
        ${collect}(${rows.assumedHistogram('p50_ms')})
          filter (where histogram is null and p50_ms is distinct from p95_ms) as halves,
        ${collect}(${rows.assumedHistogram('p95_ms')})
          filter (where histogram is null and p50_ms is distinct from p95_ms) as tails,
        min(bucket) as first_seen,
        max(bucket) as last_seen
      ${active}
      group by 1, 2
      having sum(call_count::float8) > 0::float8 or sum(${rows.rate}) > 0::float8
    )
    select
      edge.src,
      edge.dst,
      case when edge.calls > 0::float8 then edge.calls / last.seconds::float8 else (edge.rps * ${sql.lit(bucketSeconds)}::numeric / last.seconds::numeric)::float8 end as rps,
      case when edge.calls > 0::float8 then edge.errors / edge.calls else edge.err_rate::float8 end as err_rate,
      edge.percentiles[1] as p50_ms,
      edge.percentiles[2] as p95_ms,
      first.name as first_seen,
      last.name as last_seen
    from (
      select call.*, case
        when buckets = 1 then array[p50_ms, p95_ms]
        when halves is null then ${quantiles}(known, '{0.5, 0.95}')
        else array[(${quantiles}(pg_catalog.array_cat(known, halves), '{0.5}'))[1], (${quantiles}(pg_catalog.array_cat(known, tails), '{0.95}'))[1]]
      end as percentiles
      from call
      offset 0
    ) as edge
    left join span as first on first.bucket = edge.first_seen
    left join span as last on last.bucket = edge.last_seen
  )`
  return scope.db.selectFrom(calls.as('call')).selectAll('call').select('call.rps as weight')
}
