import { sql } from 'kysely'
import type { Scope } from '../../src/database/scope.ts'
import { milliseconds } from '../../src/database/range.ts'
import { insertPatterns, services } from './rows.ts'

const hour = 3_600_000
const day = 24 * hour

/** A point of the history: the same figure in each table, at a time every six hours. */
export interface HistoryPoint {
  bucket: Date
  value: number
}

/** Points every six hours of the `days` that end with the hour before `now`, on the hour. */
export function history(now: Date, days: number): HistoryPoint[] {
  const last = Math.floor(now.getTime() / hour) * hour - hour
  return Array.from({ length: days * 4 }, (_, at) => {
    const age = days * 4 - 1 - at
    return { bucket: new Date(last - age * 6 * hour), value: 10 + ((at * 7919) % 97) }
  })
}

/**
 * Writes the history to the three rollup tables: a metric's minutes of two samples around the value, calls of which `value` were made, and as many
 * lines of a pattern. In slices of 20 days, since a statement that makes very many chunks at once is more than an embedded TimescaleDB can take.
 */
export async function writeHistory(scope: Scope, points: readonly HistoryPoint[]): Promise<void> {
  const ids = await services(scope, ['urn:shop', 'urn:cart'])
  const [shop, cart] = ['urn:shop', 'urn:cart'].map((urn) => ids.get(urn)!)
  const [pattern] = await insertPatterns(scope, [{ pattern: 'took <*> ms' }])
  for (let at = 0; at < points.length; at += 80) {
    const slice = sql`(
      select bucket, value from jsonb_to_recordset(${JSON.stringify(points.slice(at, at + 80))}::jsonb) as point (bucket timestamptz, value float8)
    ) as point`
    await sql`
      insert into ${scope.id('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, sample_count, histogram)
      select bucket, ${scope.tenantId}::int8, ${shop}::int8, 'load', value, value + 1, value + 1, 2,
        (select ${scope.id('exp_histogram_merge')}(${scope.id('exp_histogram')}(sample, 1)) from unnest(array[value - 1, value + 1]) as sample)
      from ${slice}
    `.execute(scope.db)
    await sql`
      insert into ${scope.id('service_call_5m')} (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count)
      select bucket, ${scope.tenantId}::int8, ${shop}::int8, ${cart}::int8, value / 300, 1 / value, 5, 5, value, 1 from ${slice}
    `.execute(scope.db)
    await sql`
      insert into ${scope.id('log_pattern_5m')} (bucket, tenant_id, resource_id, fingerprint_id, count_total)
      select bucket, ${scope.tenantId}::int8, ${shop}::int8, ${pattern!}::int8, value from ${slice}
    `.execute(scope.db)
  }
}

/** What one of the tables holds: how many rows, since when, and how much in all. */
export interface Holding {
  rows: number
  since: Date | null
  total: number
  largest: number | null
}

const measures = {
  metric: ['sample_count', 'max_val'],
  service_call: ['call_count', 'call_count'],
  log_pattern: ['count_total', 'count_total'],
} as const

/** What each of the nine tables holds of the scope's tenant. */
export async function holdings(scope: Scope): Promise<Record<string, Holding>> {
  const held: Record<string, Holding> = {}
  for (const [family, [total, largest]] of Object.entries(measures)) {
    for (const length of family === 'metric' ? ['1m', '1h', '1d'] : ['5m', '1h', '1d']) {
      const { rows } = await sql<Holding>`
        select count(*)::int4 as rows, min(bucket) as since, coalesce(sum(${sql.ref(total)}), 0)::float8 as total, max(${sql.ref(largest)})::float8 as largest
        from ${sql.id(scope.installation.schema, `${family}_${length}`)} where tenant_id = ${scope.tenantId}::int8
      `.execute(scope.db)
      held[`${family}_${length}`] = rows[0]!
    }
  }
  return held
}

/**
 * What the tables should hold of the history once the policies have been kept: of the finest what is not in a chunk wholly older than its retention,
 * by the hour and by the day all of it.
 *
 * @param retained the retention and the chunk's length of each of the finest tables.
 */
export function expectedHoldings(
  points: readonly HistoryPoint[],
  now: Date,
  retained: Record<'metric_1m' | 'service_call_5m' | 'log_pattern_5m', { retain: string; chunk: string }>,
): Record<string, Holding> {
  const expected: Record<string, Holding> = {}
  for (const [table, { retain, chunk }] of Object.entries(retained)) {
    const family = table.replace(/_\d+m$/, '')
    const amount = (value: number) => (family === 'metric' ? 2 : value)
    const largest = (value: number) => (family === 'metric' ? value + 1 : value)
    const sums = (kept: readonly HistoryPoint[], length: number, sums = true): Holding => {
      const buckets = Map.groupBy(kept, ({ bucket }) => Math.floor(bucket.getTime() / length) * length)
      const of = family === 'metric' || !sums ? Math.max : (...values: number[]) => values.reduce((sum, value) => sum + value, 0)
      return {
        rows: buckets.size,
        since: new Date(Math.min(...buckets.keys())),
        total: kept.reduce((sum, { value }) => sum + amount(value), 0),
        largest: Math.max(...[...buckets.values()].map((inside) => of(...inside.map(({ value }) => largest(value))))),
      }
    }
    const width = milliseconds(chunk)
    const since = Math.floor((now.getTime() - milliseconds(retain)) / width) * width
    const kept = points.filter(({ bucket }) => bucket.getTime() >= since)
    expected[table] = sums(kept, 1)
    expected[`${family}_1h`] = sums(points, hour)
    expected[`${family}_1d`] = sums(points, day)
  }
  return expected
}
