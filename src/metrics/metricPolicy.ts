import { sql } from 'kysely'
import { minuteBucket } from '../database/buckets.ts'
import { saturated } from '../database/sql/bounded.ts'
import { sqlText } from '../database/sql/sqlText.ts'
import { ladderOf } from '../lifecycle/rollups/resolution.ts'
import type { InstalledFunction, Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'
import { metricRows } from './metricRows.ts'

const keys = { tenant_id: 'bigint', resource_id: 'bigint', series_id: 'bigint', metric: 'text', labels: 'jsonb' }

function metricRollup(rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>, source: { rolled: boolean }): Rollup {
  const rows = (fn: InstalledFunction) => metricRows(fn, source)
  return {
    ...rollup,
    keys,
    identity: ['series_id'],
    measures: {
      avg_val: { type: 'float8', of: (fn) => rows(fn).average },
      max_val: { type: 'float8', of: (fn) => rows(fn).maximum },
      p95_val: { type: 'float8', of: (fn) => rows(fn).quantile(0.95) },
      sample_count: { type: 'bigint', of: () => sql.raw(saturated('sum(sample_count)')) },
      // A row may have samples without a known average: they have no weight in the next coarser
      // row.
      avg_weight: { type: 'bigint', of: (fn) => sql.raw(saturated(sqlText(rows(fn).averageWeight))) },
      unit: { type: 'text', of: () => sql`max(unit)` },
      kind: { type: 'text', of: () => sql`max(kind)` },
      histogram: { type: 'bytea', of: (fn) => rows(fn).merged },
    },
    indexes: ['tenant_id, bucket'],
  }
}

/** `metric_1h`: the minutes of an hour, rolled up. */
export const metric1h = metricRollup({ name: 'metric_1h', source: 'metric_1m', bucket: '1 hour', chunk: '30 days' }, { rolled: false })

/** `metric_1d`: the hours of a day, in UTC, rolled up. */
export const metric1d = metricRollup({ name: 'metric_1d', source: 'metric_1h', bucket: '1 day', chunk: '180 days' }, { rolled: true })

/**
 * How long metrics are kept by the minute: a week uncompressed, half a year compressed; two years
 * by the hour, five by the day.
 */
export const metricPolicy: TimePolicy<'metric_1m'> = {
  table: 'metric_1m',
  chunk: '7 days',
  retain: '180 days',
  compress: { after: '7 days', segmentBy: ['series_id', 'tenant_id', 'resource_id', 'metric'], orderBy: ['bucket'] },
  rollups: [
    { rollup: metric1h, retain: '730 days', settle: '1 hour', every: '30 minutes' },
    { rollup: metric1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}

/** The tables that metric series are read from. */
export const metricLadder = ladderOf(metricPolicy, minuteBucket)
