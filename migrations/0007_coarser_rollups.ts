import { serviceCall1d, serviceCall1h } from '../src/calls/callPolicy.ts'
import { quoteLiteral } from '../src/database/identifier.ts'
import { qualified, type Installation } from '../src/database/installation.ts'
import { createRollup, dropRollup, noteStaleBuckets, storedTable, type Rollup } from '../src/lifecycle/rollup.ts'
import { logPattern1d, logPattern1h } from '../src/logs/patternPolicy.ts'
import { metric1d, metric1h } from '../src/metrics/metricPolicy.ts'
import type { Migration } from './migration.ts'

const ladders: readonly { table: string; hours: Rollup; days: Rollup }[] = [
  { table: 'metric_1m', hours: metric1h, days: metric1d },
  { table: 'service_call_5m', hours: serviceCall1h, days: serviceCall1d },
  { table: 'log_pattern_5m', hours: logPattern1h, days: logPattern1d },
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
    ...ladders.flatMap((ladder) => [
      ...timeTableRow(installation, ladder.table),
      ...createRollup(installation, ladder.hours),
      ...noteStaleBuckets(installation, ladder.hours, ladder.table),
      ...createRollup(installation, ladder.days),
      ...noteStaleBuckets(installation, ladder.days, storedTable(ladder.hours)),
    ]),
  ],
  down: (installation) => [
    ...ladders
      .toReversed()
      .flatMap(({ table, hours, days }) => [
        ...dropRollup(installation, days),
        ...dropTriggers(installation, hours, table),
        ...dropRollup(installation, hours),
      ]),
    `drop index ${qualified(installation, 'idx_metric_time')}`,
    ...['pgvantage_stale_bucket', 'pgvantage_time_table', 'pgvantage_policy'].map((name) => `drop table ${qualified(installation, name)}`),
  ],
}

const timeTableRow = (installation: Installation, name: string) => [
  `insert into ${qualified(installation, 'pgvantage_time_table')} (name) values (${quoteLiteral(name)})`,
]

const dropTriggers = (installation: Installation, { name }: Rollup, on: string) =>
  installation.timeRung === 'community'
    ? []
    : ['insert', 'update', 'delete'].map((event) => `drop trigger ${name}_stale_after_${event} on ${qualified(installation, on)}`)
