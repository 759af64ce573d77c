import { sql } from 'kysely'
import { windowBucket } from '../database/buckets.ts'
import { milliseconds } from '../database/range.ts'
import { saturated } from '../database/sql/bounded.ts'
import { ladderOf } from '../lifecycle/rollups/resolution.ts'
import type { InstalledFunction, Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'
import { callRows } from './callRows.ts'

const keys = { tenant_id: 'bigint', src_resource_id: 'bigint', dst_resource_id: 'bigint' }

function callRollup(rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>, source: { bucket: string; rolled: boolean }): Rollup {
  const rows = (fn: InstalledFunction) => callRows(fn, source)
  const callee = (fn: InstalledFunction) => callRows(fn, { ...source, side: 'callee' })
  // Rates are rates of the whole bucket.
  const buckets = milliseconds(rollup.bucket) / milliseconds(source.bucket)
  return {
    ...rollup,
    keys,
    identity: ['src_resource_id', 'dst_resource_id'],
    measures: {
      rps: { type: 'float8', of: (fn) => rows(fn).meanRate(buckets) },
      err_rate: { type: 'float8', of: (fn) => rows(fn).errorRatio },
      p50_ms: { type: 'float8', of: (fn) => rows(fn).quantile(0.5) },
      p95_ms: { type: 'float8', of: (fn) => rows(fn).quantile(0.95) },
      call_count: { type: 'bigint', of: () => sql.raw(saturated('sum(call_count)')) },
      error_count: { type: 'bigint', of: () => sql.raw(saturated('sum(error_count)')) },
      callee_count: { type: 'bigint', of: () => sql.raw(saturated('sum(callee_count)')) },
      callee_p50_ms: { type: 'float8', of: (fn) => callee(fn).quantile(0.5) },
      callee_p95_ms: { type: 'float8', of: (fn) => callee(fn).quantile(0.95) },
      histogram: { type: 'bytea', of: (fn) => rows(fn).merged },
      callee_histogram: { type: 'bytea', of: (fn) => callee(fn).merged },
    },
    indexes: ['tenant_id, bucket', 'dst_resource_id, bucket desc'],
  }
}

/** `service_call_1h`: the five-minute buckets of an hour, rolled up. */
export const serviceCall1h = callRollup(
  { name: 'service_call_1h', source: 'service_call_5m', bucket: '1 hour', chunk: '90 days' },
  { bucket: windowBucket, rolled: false },
)

/** `service_call_1d`: the hours of a day, in UTC, rolled up. */
export const serviceCall1d = callRollup(
  { name: 'service_call_1d', source: 'service_call_1h', bucket: '1 day', chunk: '180 days' },
  { bucket: serviceCall1h.bucket, rolled: true },
)

/** How long calls are kept: a year by five minutes, three years by the hour, five by the day. */
export const callPolicy: TimePolicy<'service_call_5m'> = {
  table: 'service_call_5m',
  chunk: '30 days',
  retain: '365 days',
  rollups: [
    { rollup: serviceCall1h, retain: '1095 days', settle: '1 hour', every: '30 minutes' },
    { rollup: serviceCall1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}

/** The tables that call series are read from. */
export const callLadder = ladderOf(callPolicy, windowBucket)
