import { sql } from 'kysely'
import { ensureResources, type Scope, type TimeRange } from '../../src/index.ts'

export const frontend = 'urn:k8s:svc:shop/frontend'
export const checkout = 'urn:k8s:svc:shop/checkout'
export const disk = 'urn:host:shop-db-1'

/** Five whole weeks, Monday to Monday. The last one is the one that is looked at. */
export const fiveWeeks: TimeRange = { from: new Date('2026-10-19T00:00:00Z'), to: new Date('2026-11-23T00:00:00Z') }
export const theWeek: TimeRange = { from: new Date('2026-11-16T00:00:00Z'), to: fiveWeeks.to }

/** What is hidden in the data, for a reader to hold the answers against. */
export const hidden = {
  /** From here on every answer takes 15 % longer. */
  deploy: new Date('2026-11-17T10:00:00Z'),
  /** An outage: answers take 2.5 times as long, and one in 25 fails. */
  outage: { from: new Date('2026-11-19T14:00:00Z'), to: new Date('2026-11-19T14:45:00Z') },
  /** Of the volume, filled in a week; it stood at 0.62 when the five weeks began. */
  diskPerWeek: 0.055,
}

/**
 * Writes five weeks of calls from frontend to checkout, and of the database's disk: office hours, quieter weekends, noise that is the same in every run.
 *
 * One statement a table. Each bucket's histogram is that of 20 evenly spaced quantiles of its lognormal latencies.
 */
export async function writeFiveWeeks(scope: Scope): Promise<void> {
  const ids = await ensureResources(scope, [
    { urn: frontend, type: 'service', name: 'frontend' },
    { urn: checkout, type: 'service', name: 'checkout' },
    { urn: disk, type: 'host', name: 'shop-db-1' },
  ])
  const { deploy, outage, diskPerWeek } = hidden
  // A number between -1 and 1 that depends on the bucket and on what it is for.
  const noise = (salt: number) => sql`(hashint8extended(extract(epoch from bucket)::int8, ${salt}::int8) % 1000003) / 1000003.0::float8`
  await sql`
    insert into ${scope.id('service_call_5m')}
      (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram)
    select bucket, ${scope.tenantId}::int8, ${ids.get(frontend)}::int8, ${ids.get(checkout)}::int8, calls / 300.0, errors / calls::float8,
      ${scope.id('exp_histogram_quantile')}(histogram, 0.5), ${scope.id('exp_histogram_quantile')}(histogram, 0.95), calls, errors, histogram
    from (
      select bucket,
        -- Busiest at two in the afternoon, a third of that on weekends; a multiple of the 20 quantiles.
        20 * round((8 + 30 * greatest(0, sin(pi() * (extract(hour from at) + extract(minute from at) / 60.0 - 6) / 16)))
          * case when extract(isodow from at) > 5 then 0.35 else 1 end * (1 + 0.08 * ${noise(1)}) + 1)::int8 as calls
      from (select bucket, bucket at time zone 'UTC' as at from generate_series(${fiveWeeks.from}::timestamptz, ${fiveWeeks.to}::timestamptz - interval '5 minutes', interval '5 minutes') as bucket) as clock
    ) as busy
    cross join lateral (
      select
        (80 + 0.08 * calls) * (1 + 0.05 * ${noise(2)}) * case when bucket >= ${deploy}::timestamptz then 1.15 else 1 end
          * case when bucket >= ${outage.from}::timestamptz and bucket < ${outage.to}::timestamptz then 2.5 else 1 end as median,
        case when bucket >= ${outage.from}::timestamptz and bucket < ${outage.to}::timestamptz then calls / 25
          else case when ${noise(3)} > 0.97 then 1 else 0 end end as errors
    ) as state
    cross join lateral (
      select ${scope.id('exp_histogram_merge')}(${scope.id('exp_histogram')}(median * exp(0.35 * z), calls / 20)) as histogram
      from unnest(${standardNormal}::float8[]) as z
    ) as answers
  `.execute(scope.db)
  await sql`
    insert into ${scope.id('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, unit, labels)
    select bucket, ${scope.tenantId}::int8, ${ids.get(disk)}::int8, 'system.filesystem.utilization', used, used, used, '1', '{"system.filesystem.mountpoint": "/var/lib/postgresql"}'
    from generate_series(${fiveWeeks.from}::timestamptz, ${fiveWeeks.to}::timestamptz - interval '1 hour', interval '1 hour') as bucket
    cross join lateral (
      select 0.62 + ${diskPerWeek}::float8 * extract(epoch from bucket - ${fiveWeeks.from}::timestamptz) / 604800
        -- Write-ahead log that comes and goes with the day.
        + 0.01 * sin(2 * pi() * extract(epoch from bucket) / 86400) + 0.02 * ${noise(4)} as used
    ) as volume
  `.execute(scope.db)
}

/** The standard normal distribution's quantiles at 1/40, 3/40, ... 39/40. */
const standardNormal = [
  -1.96, -1.44, -1.15, -0.93, -0.76, -0.6, -0.45, -0.32, -0.19, -0.06, 0.06, 0.19, 0.32, 0.45, 0.6, 0.76, 0.93, 1.15, 1.44, 1.96,
]
