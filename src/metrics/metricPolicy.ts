import { saturated, weightedMean } from '../database/sql/bounded.ts'
import type { InstalledFunction, Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'

const keys = { tenant_id: 'bigint', resource_id: 'bigint', metric: 'text', labels: 'jsonb', labels_hash: 'uuid' }

/**
 * The weight of an average, and the histogram of a row, by the columns of the table that is rolled.
 */
function metricRollup(
  rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>,
  weight: string,
  histogram: (fn: InstalledFunction) => string,
): Rollup {
  const merged = (fn: InstalledFunction) => `${fn('exp_histogram_merge')}(${histogram(fn)})`
  return {
    ...rollup,
    keys,
    identity: ['tenant_id', 'resource_id', 'metric', 'labels_hash'],
    measures: {
      avg_val: { type: 'float8', of: () => weightedMean('avg_val', weight) },
      max_val: { type: 'float8', of: () => 'max(max_val)' },
      p95_val: { type: 'float8', of: (fn) => `${fn('exp_histogram_quantile')}(${merged(fn)}, 0.95::float8)` },
      unit: { type: 'text', of: () => 'max(unit)' },
      kind: { type: 'text', of: () => 'max(kind)' },
      sample_count: { type: 'bigint', of: () => saturated('sum(sample_count)') },
      // A row may count samples without knowing their average: they weigh nothing in the next
      // coarser one.
      avg_weight: { type: 'bigint', of: () => saturated(`coalesce(sum(${weight}) filter (where avg_val is not null), 0)`) },
      histogram: { type: 'bigint[]', of: merged },
    },
    indexes: ['resource_id, metric, bucket desc'],
  }
}

/**
 * `metric_1h`: the minutes of an hour together. A minute of one sample has no histogram; its value
 * is the sample.
 */
export const metric1h = metricRollup(
  { name: 'metric_1h', source: 'metric_1m', bucket: '1 hour', chunk: '30 days' },
  'sample_count',
  (fn) => `coalesce(histogram, case when sample_count = 1 then ${fn('exp_histogram')}(avg_val) end)`,
)

/** `metric_1d`: the hours of a day, in UTC, together. */
export const metric1d = metricRollup(
  { name: 'metric_1d', source: 'metric_1h', bucket: '1 day', chunk: '180 days' },
  'avg_weight',
  () => 'histogram',
)

/**
 * What becomes of a metric's minutes: a week as they came, half a year compressed, two years by the
 * hour, five by the day.
 */
export const metricPolicy: TimePolicy = {
  table: 'metric_1m',
  chunk: '7 days',
  retain: '180 days',
  compress: { after: '7 days', segmentBy: ['tenant_id', 'resource_id', 'metric'], orderBy: ['bucket'] },
  rollups: [
    { rollup: metric1h, retain: '730 days', settle: '1 hour', every: '30 minutes' },
    { rollup: metric1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}
