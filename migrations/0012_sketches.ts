import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'
import { createRollup, dropRollup, dropStaleTriggers, knownTable, noteStale, type Rollup } from './rollupView.ts'
import { timeTable } from './timeTable.ts'

type Place = Pick<Rollup, 'name' | 'source' | 'written' | 'bucket' | 'chunkDays'>

const sketch = (rollup: Place): Rollup => ({
  ...rollup,
  keys: { tenant_id: 'bigint', resource_id: 'bigint', dimension: 'text' },
  identity: 'tenant_id, resource_id, dimension',
  measures: {
    count_total: ['bigint', 'least(sum(count_total), 9223372036854775807)'],
    count_error: ['bigint', 'least(sum(count_error), 9223372036854775807)'],
    distinct_sketch: ['bytea', ':hyperloglog_merge(distinct_sketch)'],
    error_sketch: ['bytea', ':hyperloglog_merge(error_sketch)'],
    heavy_hitters: ['jsonb', ':heavy_hitters_merge(heavy_hitters)'],
  },
  indexes: [[`idx_${rollup.name}_dimension`, 'tenant_id, dimension, bucket desc']],
})

const hours = sketch({ name: 'sketch_1h', source: 'sketch_5m', written: 'sketch_5m', bucket: '1 hour', chunkDays: 90 })
const days = sketch({ name: 'sketch_1d', source: 'sketch_1h', written: 'sketch_1h_stored', bucket: '1 day', chunkDays: 180 })

// A sketch of postgresql-hll with its default parameters (log2m 11, regwidth 5, expthresh -1, sparseon 1), as a union would leave it: all merge, and none stops
// a rollup for everybody.
const isSketch = (column: string, merge: string) => `case
    when octet_length(${column}) >= 3 and get_byte(${column}, 0) between 17 and 20 and get_byte(${column}, 1) = 139 and get_byte(${column}, 2) = 127
      then ${merge}(array[${column}]) = ${column}
    else false
  end`

/** Sketches of what is too many to store: users, sessions, addresses; and the same by the hour and by the day. */
export const sketches: Migration = {
  name: '0012_sketches',
  up: (installation) => {
    const table = qualified(installation, 'sketch_5m')
    const merge = qualified(installation, 'hyperloglog_merge_all')
    return [
      // Totals stay far below where sums of them would no longer be exact.
      ...timeTable(installation, {
        name: 'sketch_5m',
        chunkDays: 30,
        columns: `bucket timestamptz not null,
  tenant_id bigint not null,
  resource_id bigint not null,
  dimension text not null check (octet_length(dimension) between 1 and 255),
  count_total bigint not null check (count_total between 0 and 1099511627776),
  count_error bigint not null default 0 check (count_error between 0 and count_total),
  distinct_sketch bytea not null check (${isSketch('distinct_sketch', merge)}),
  error_sketch bytea check (error_sketch is null or ${isSketch('error_sketch', merge)}),
  heavy_hitters jsonb not null check (
    ${qualified(installation, 'heavy_hitters_flaw')}(heavy_hitters) is null and (heavy_hitters -> 'n')::bigint = count_total
  ),
  primary key (tenant_id, resource_id, dimension, bucket),
  foreign key (tenant_id, resource_id) references ${qualified(installation, 'dim_resource')} (tenant_id, resource_id)`,
      }),
      `create index idx_sketch_dimension on ${table} (tenant_id, dimension, bucket desc)`,
      knownTable(installation, 'sketch_5m'),
      ...createRollup(installation, hours),
      ...noteStale(installation, hours),
      ...createRollup(installation, days),
      ...noteStale(installation, days),
    ]
  },
  down: (installation) => [
    ...dropRollup(installation, days),
    ...dropStaleTriggers(installation, hours),
    ...dropRollup(installation, hours),
    `drop table ${qualified(installation, 'sketch_5m')}`,
    `delete from ${qualified(installation, 'pgvantage_time_table')} where name in ('sketch_5m', 'sketch_1h', 'sketch_1d')`,
    `delete from ${qualified(installation, 'pgvantage_policy')} where object in ('sketch_5m', 'sketch_1h', 'sketch_1d')`,
    `delete from ${qualified(installation, 'pgvantage_stale_bucket')} where rollup in ('sketch_1h', 'sketch_1d')`,
  ],
}
