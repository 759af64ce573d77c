import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'
import { createRollup, dropRollup, dropStaleTriggers, knownTable, noteStale, type Rollup } from './rollupView.ts'

/** Where a rollup stands: what it is called, made from, and cut into. */
type Place = Pick<Rollup, 'name' | 'source' | 'written' | 'bucket' | 'chunkDays'>

const metric = (rollup: Place, weight: string, histogram: string): Rollup => ({
  ...rollup,
  keys: { tenant_id: 'bigint', resource_id: 'bigint', series_id: 'bigint', metric: 'text', labels: 'jsonb' },
  identity: 'series_id',
  measures: {
    avg_val: [
      'float8',
      `sum((case when abs(avg_val) < '1e-100'::float8 then 0 when abs(avg_val) > '1e100'::float8 then avg_val * 'Infinity'::float8 else avg_val end) * ${weight}::float8) filter (where ${weight} > 0)
    / nullif(sum(${weight}) filter (where avg_val is not null), 0::numeric)::float8`,
    ],
    max_val: ['float8', 'max(max_val)'],
    p95_val: ['float8', `:exp_histogram_quantile(:exp_histogram_merge(${histogram}), 0.95::float8)`],
    sample_count: ['bigint', 'least(sum(sample_count), 9223372036854775807)'],
    avg_weight: ['bigint', `least(coalesce(sum(${weight}) filter (where avg_val is not null), 0), 9223372036854775807)`],
    unit: ['text', 'max(unit)'],
    kind: ['text', 'max(kind)'],
    histogram: ['bytea', `:exp_histogram_merge(${histogram})`],
  },
  indexes: [[`idx_${rollup.name}_tenant_id`, 'tenant_id, bucket']],
})

const call = (rollup: Place, buckets: number, histogram: string, calleeHistogram: string): Rollup => ({
  ...rollup,
  keys: { tenant_id: 'bigint', src_resource_id: 'bigint', dst_resource_id: 'bigint' },
  identity: 'src_resource_id, dst_resource_id',
  measures: {
    rps: [
      'float8',
      `sum(case when abs(rps) < '1e-100'::float8 then 0 when abs(rps) > '1e100'::float8 then rps * 'Infinity'::float8 else rps end) / ${buckets}::float8`,
    ],
    err_rate: ['float8', 'sum(error_count)::float8 / nullif(sum(call_count), 0::numeric)::float8'],
    p50_ms: ['float8', `:exp_histogram_quantile(:exp_histogram_merge(${histogram}), 0.5::float8)`],
    p95_ms: ['float8', `:exp_histogram_quantile(:exp_histogram_merge(${histogram}), 0.95::float8)`],
    call_count: ['bigint', 'least(sum(call_count), 9223372036854775807)'],
    error_count: ['bigint', 'least(sum(error_count), 9223372036854775807)'],
    callee_count: ['bigint', 'least(sum(callee_count), 9223372036854775807)'],
    callee_p50_ms: ['float8', `:exp_histogram_quantile(:exp_histogram_merge(${calleeHistogram}), 0.5::float8)`],
    callee_p95_ms: ['float8', `:exp_histogram_quantile(:exp_histogram_merge(${calleeHistogram}), 0.95::float8)`],
    histogram: ['bytea', `:exp_histogram_merge(${histogram})`],
    callee_histogram: ['bytea', `:exp_histogram_merge(${calleeHistogram})`],
  },
  indexes: [
    [`idx_${rollup.name}_tenant_id`, 'tenant_id, bucket'],
    [`idx_${rollup.name}_dst_resource_id`, 'dst_resource_id, bucket desc'],
  ],
})

const pattern = (rollup: Place): Rollup => ({
  ...rollup,
  keys: { tenant_id: 'bigint', resource_id: 'bigint', fingerprint_id: 'bigint' },
  identity: 'tenant_id, resource_id, fingerprint_id',
  measures: {
    count_total: ['bigint', 'least(sum(count_total), 9223372036854775807)'],
    count_error: ['bigint', 'least(sum(count_error), 9223372036854775807)'],
  },
  indexes: [
    [`idx_${rollup.name}_resource_id`, 'resource_id, bucket desc'],
    [`idx_${rollup.name}_fingerprint_id`, 'fingerprint_id, bucket desc'],
  ],
})

const ladders: readonly { table: string; hours: Rollup; days: Rollup }[] = [
  {
    table: 'metric_1m',
    hours: metric(
      { name: 'metric_1h', source: 'metric_1m', written: 'metric_1m', bucket: '1 hour', chunkDays: 30 },
      'sample_count',
      'coalesce(histogram, case when sample_count = 1 then :exp_histogram(avg_val) end)',
    ),
    days: metric(
      { name: 'metric_1d', source: 'metric_1h', written: 'metric_1h_stored', bucket: '1 day', chunkDays: 180 },
      'avg_weight',
      'histogram',
    ),
  },
  {
    table: 'service_call_5m',
    hours: call(
      { name: 'service_call_1h', source: 'service_call_5m', written: 'service_call_5m', bucket: '1 hour', chunkDays: 90 },
      12,
      'coalesce(histogram, case when call_count = 1 then :exp_histogram(p50_ms) end)',
      'coalesce(callee_histogram, case when callee_count = 1 then :exp_histogram(callee_p50_ms) end)',
    ),
    days: call(
      { name: 'service_call_1d', source: 'service_call_1h', written: 'service_call_1h_stored', bucket: '1 day', chunkDays: 180 },
      24,
      'histogram',
      'callee_histogram',
    ),
  },
  {
    table: 'log_pattern_5m',
    hours: pattern({ name: 'log_pattern_1h', source: 'log_pattern_5m', written: 'log_pattern_5m', bucket: '1 hour', chunkDays: 90 }),
    days: pattern({ name: 'log_pattern_1d', source: 'log_pattern_1h', written: 'log_pattern_1h_stored', bucket: '1 day', chunkDays: 180 }),
  },
]

/** The rollups by the hour and by the day, what is known of how far they have come, and the policies that were applied. */
export const coarserRollups: Migration = {
  name: '0007_coarser_rollups',
  up: (installation) => [
    `create table ${qualified(installation, 'pgvantage_policy')} (
  object text not null,
  kind text not null check (kind in ('compression', 'retention', 'refresh')),
  settings jsonb not null,
  job_id int4,
  applied_at timestamptz not null default now(),
  primary key (object, kind)
)`,
    // What was dropped can no longer be rolled: buckets before dropped_before are closed, unless nothing was ever rolled into them.
    `create table ${qualified(installation, 'pgvantage_time_table')} (
  name text primary key,
  dropped_before timestamptz not null default '-infinity',
  rolled_until timestamptz not null default '-infinity'
)`,
    // Written by every statement that writes to a source, so nothing in it may make writers wait for each other: no unique key.
    `create table ${qualified(installation, 'pgvantage_stale_bucket')} (rollup text not null, bucket timestamptz not null)`,
    `create index idx_stale_bucket on ${qualified(installation, 'pgvantage_stale_bucket')} (rollup, bucket)`,
    `create index idx_metric_time on ${qualified(installation, 'metric_1m')} using brin (bucket)`,
    ...ladders.flatMap(({ table, hours, days }) => [
      knownTable(installation, table),
      ...createRollup(installation, hours),
      ...noteStale(installation, hours),
      ...createRollup(installation, days),
      ...noteStale(installation, days),
    ]),
  ],
  down: (installation) => [
    ...ladders
      .toReversed()
      .flatMap(({ hours, days }) => [
        ...dropRollup(installation, days),
        ...dropStaleTriggers(installation, hours),
        ...dropRollup(installation, hours),
      ]),
    `drop index ${qualified(installation, 'idx_metric_time')}`,
    ...['pgvantage_stale_bucket', 'pgvantage_time_table', 'pgvantage_policy'].map((name) => `drop table ${qualified(installation, name)}`),
  ],
}
