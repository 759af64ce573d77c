import { sql, type RawBuilder } from 'kysely'
import { windowBucket } from '../database/buckets.ts'
import { saturated } from '../database/sql/bounded.ts'
import { ladderOf } from '../lifecycle/rollups/resolution.ts'
import type { InstalledFunction, Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'

const keys = { tenant_id: 'bigint', resource_id: 'bigint', dimension: 'text' }

const merged =
  (aggregate: string, column: string) =>
  (fn: InstalledFunction): RawBuilder<unknown> =>
    sql`${fn(aggregate)}(${sql.raw(column)})`

/**
 * Rolled up by functions of `sql/` on every server: postgresql-hll's own union is not safe in
 * parallel plans, and continuous aggregates do not accept it.
 */
const sketchRollup = (rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>): Rollup => ({
  ...rollup,
  keys,
  identity: Object.keys(keys),
  measures: {
    count_total: { type: 'bigint', of: () => sql.raw(saturated('sum(count_total)')) },
    count_error: { type: 'bigint', of: () => sql.raw(saturated('sum(count_error)')) },
    distinct_sketch: { type: 'bytea', of: merged('hyperloglog_merge', 'distinct_sketch') },
    error_sketch: { type: 'bytea', of: merged('hyperloglog_merge', 'error_sketch') },
    heavy_hitters: { type: 'jsonb', of: merged('heavy_hitters_merge', 'heavy_hitters') },
  },
  indexes: ['tenant_id, dimension, bucket desc'],
})

/** `sketch_1h`: the values of an hour. */
export const sketch1h = sketchRollup({ name: 'sketch_1h', source: 'sketch_5m', bucket: '1 hour', chunk: '90 days' })

/** `sketch_1d`: the values of a day, in UTC. */
export const sketch1d = sketchRollup({ name: 'sketch_1d', source: 'sketch_1h', bucket: '1 day', chunk: '180 days' })

/** How long sketches are kept: a year by five minutes, three years by the hour, five by the day. */
export const sketchPolicy: TimePolicy<'sketch_5m'> = {
  table: 'sketch_5m',
  chunk: '30 days',
  retain: '365 days',
  rollups: [
    { rollup: sketch1h, retain: '1095 days', settle: '1 hour', every: '30 minutes' },
    { rollup: sketch1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}

/** The tables that sketches are read from. */
export const sketchLadder = ladderOf(sketchPolicy, windowBucket)
