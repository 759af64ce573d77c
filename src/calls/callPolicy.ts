import { bounded, saturated } from '../database/sql/bounded.ts'
import type { InstalledFunction, Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'

const keys = { tenant_id: 'bigint', src_resource_id: 'bigint', dst_resource_id: 'bigint' }

/**
 * `share` is the part of a bucket that one bucket of the source makes up: rates are of the whole
 * bucket.
 */
function callRollup(
  rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>,
  bucketsOfSource: number,
  histogram: (fn: InstalledFunction) => string,
): Rollup {
  const merged = (fn: InstalledFunction) => `${fn('exp_histogram_merge')}(${histogram(fn)})`
  const percentile = (q: number) => ({
    type: 'float8',
    of: (fn: InstalledFunction) => `${fn('exp_histogram_quantile')}(${merged(fn)}, ${q}::float8)`,
  })
  return {
    ...rollup,
    keys,
    identity: Object.keys(keys),
    measures: {
      rps: { type: 'float8', of: () => `sum(${bounded('rps')}) / ${bucketsOfSource}::float8` },
      err_rate: { type: 'float8', of: () => 'sum(error_count)::float8 / nullif(sum(call_count), 0::numeric)::float8' },
      p50_ms: percentile(0.5),
      p95_ms: percentile(0.95),
      call_count: { type: 'bigint', of: () => saturated('sum(call_count)') },
      error_count: { type: 'bigint', of: () => saturated('sum(error_count)') },
      histogram: { type: 'bigint[]', of: merged },
    },
    indexes: ['src_resource_id, dst_resource_id, bucket desc', 'dst_resource_id, bucket desc'],
  }
}

/**
 * `service_call_1h`: the five minutes of an hour together. One call has no histogram; its latency
 * is all percentiles.
 */
export const serviceCall1h = callRollup(
  { name: 'service_call_1h', source: 'service_call_5m', bucket: '1 hour', chunk: '90 days' },
  12,
  (fn) => `coalesce(histogram, case when call_count = 1 then ${fn('exp_histogram')}(p50_ms) end)`,
)

/** `service_call_1d`: the hours of a day, in UTC, together. */
export const serviceCall1d = callRollup(
  { name: 'service_call_1d', source: 'service_call_1h', bucket: '1 day', chunk: '180 days' },
  24,
  () => 'histogram',
)

/** What becomes of calls: a year by five minutes, three by the hour, five by the day. */
export const callPolicy: TimePolicy = {
  table: 'service_call_5m',
  chunk: '30 days',
  retain: '365 days',
  rollups: [
    { rollup: serviceCall1h, retain: '1095 days', settle: '1 hour', every: '30 minutes' },
    { rollup: serviceCall1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}
