import { sql } from 'kysely'
import { windowBucket } from '../database/buckets.ts'
import { saturated } from '../database/sql/bounded.ts'
import { ladderOf } from '../lifecycle/rollups/resolution.ts'
import type { Rollup } from '../lifecycle/rollups/rollup.ts'
import type { TimePolicy } from '../lifecycle/timePolicy.ts'

const keys = { tenant_id: 'bigint', resource_id: 'bigint', fingerprint_id: 'bigint' }

const patternRollup = (rollup: Pick<Rollup, 'name' | 'source' | 'bucket' | 'chunk'>): Rollup => ({
  ...rollup,
  keys,
  identity: Object.keys(keys),
  measures: {
    count_total: { type: 'bigint', of: () => sql.raw(saturated('sum(count_total)')) },
    count_error: { type: 'bigint', of: () => sql.raw(saturated('sum(count_error)')) },
  },
  indexes: ['resource_id, bucket desc', 'fingerprint_id, bucket desc'],
})

/** `log_pattern_1h`: how often each pattern occurred in an hour. */
export const logPattern1h = patternRollup({ name: 'log_pattern_1h', source: 'log_pattern_5m', bucket: '1 hour', chunk: '90 days' })

/** `log_pattern_1d`: how often each pattern occurred in a day, in UTC. */
export const logPattern1d = patternRollup({ name: 'log_pattern_1d', source: 'log_pattern_1h', bucket: '1 day', chunk: '180 days' })

/**
 * How long counted patterns are kept: half a year by five minutes, two years by the hour, five by
 * the day.
 */
export const patternPolicy: TimePolicy<'log_pattern_5m'> = {
  table: 'log_pattern_5m',
  chunk: '30 days',
  retain: '180 days',
  rollups: [
    { rollup: logPattern1h, retain: '730 days', settle: '1 hour', every: '30 minutes' },
    { rollup: logPattern1d, retain: '1825 days', settle: '1 day', every: '6 hours' },
  ],
}

/** The tables that pattern series are read from. */
export const patternLadder = ladderOf(patternPolicy, windowBucket)
