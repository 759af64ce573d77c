import { sql, type Kysely } from 'kysely'
import { ensureResources } from '../src/catalog/resources.ts'
import { qualified } from '../src/database/installation/installation.ts'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { rolledRows, rollupColumns, storedTable } from '../src/lifecycle/rollups/rollup.ts'
import { metric1h } from '../src/metrics/metricPolicy.ts'

/** Ten metrics of a host, as TSBS has them of a CPU. */
export const cpuMetrics = ['user', 'system', 'idle', 'nice', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'].map(
  (mode) => `cpu.usage_${mode}`,
)

export const hostUrn = (host: number): string => `urn:host:host_${host}`

const minute = 60_000

/** So many hosts of the scope's tenant. */
export async function createHosts(scope: Scope, count: number): Promise<void> {
  const hosts = Array.from({ length: count }, (_, host) => ({ urn: hostUrn(host), type: 'host', name: `host_${host}` }))
  await ensureResources(scope, hosts)
}

/**
 * A value between 0 and 100 for every minute of the range, host and metric, in the order of time, as telemetry comes. The values are the same in every run.
 *
 * Made in the database, an hour a statement.
 */
export async function fillMinutes(
  scope: Scope,
  { hosts, metrics, range }: { hosts: number; metrics: readonly string[]; range: TimeRange },
) {
  const urns = Array.from({ length: hosts }, (_, host) => hostUrn(host))
  for (let from = range.from.getTime(); from < range.to.getTime(); from += 60 * minute) {
    const to = Math.min(from + 60 * minute, range.to.getTime())
    await sql`
      insert into ${scope.id('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, unit)
      select bucket, ${scope.tenantId}::int8, resource_id, metric, value, value, value, '%'
      from generate_series(${new Date(from)}::timestamptz, ${new Date(to - minute)}::timestamptz, interval '1 minute') as bucket
      cross join (
        select resource_id, metric
        from ${scope.id('dim_resource')} cross join unnest(${metrics}::text[]) as metric
        where tenant_id = ${scope.tenantId}::int8 and urn = any(${urns}::text[])
      ) as series
      cross join lateral (
        select (hashint8extended(extract(epoch from bucket)::int8, resource_id + hashtext(metric)) & 16383) / 163.84::float8 as value
      ) as sample
    `.execute(scope.db)
  }
}

/** Does the work on a table without its indexes and constraints, and makes them again afterwards: what a bulk load does. */
export async function withoutIndexes(scope: Scope, name: 'metric_1m', work: () => Promise<void>): Promise<void> {
  const table = qualified(scope.installation, name)
  const { rows: constraints } = await sql<{ name: string; definition: string }>`
    select conname::text as name, pg_get_constraintdef(oid) as definition from pg_catalog.pg_constraint
    where conrelid = ${table}::regclass and contype in ('p', 'f') order by contype desc, conname
  `.execute(scope.db)
  const { rows: indexes } = await sql<{ name: string; definition: string }>`
    select indexrelid::regclass::text as name, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') as definition from pg_catalog.pg_index
    where indrelid = ${table}::regclass and not indisprimary order by 1
  `.execute(scope.db)
  const each = async (statements: readonly string[]) => {
    for (const statement of statements) await sql.raw(statement).execute(scope.db)
  }
  await each([
    ...constraints.map((constraint) => `alter table ${table} drop constraint ${constraint.name}`),
    ...indexes.map((index) => `drop index ${index.name}`),
  ])
  await work()
  await each([
    ...indexes.map(({ definition }) => definition),
    ...constraints.map((constraint) => `alter table ${table} add constraint ${constraint.name} ${constraint.definition}`),
  ])
}

/** The hours before `until`, rolled as a server does it by itself or maintenance does. */
export async function rollHours(scope: Scope, until: Date): Promise<void> {
  const { installation, db } = scope
  if (installation.timeRung === 'community') {
    await sql`call refresh_continuous_aggregate(${qualified(installation, metric1h.name)}::regclass, null, ${until}::timestamptz)`.execute(
      db,
    )
    return
  }
  const rows = rolledRows(installation, metric1h, `bucket < timestamptz '${until.toISOString()}'`)
  const columns = rollupColumns(metric1h).join(', ')
  await sql.raw(`insert into ${qualified(installation, storedTable(metric1h))} (${columns}) ${rows}`).execute(db)
  await sql`update ${scope.id('pgvantage_time_table')} set rolled_until = ${until} where name = ${metric1h.name}`.execute(db)
  await sql`delete from ${scope.id('pgvantage_stale_bucket')} where rollup = ${metric1h.name} and bucket < ${until}`.execute(db)
}

/** What a database wants to know after a load: statistics, and which rows everybody sees. */
export const settle = (db: Kysely<{}>) => sql`vacuum analyze`.execute(db)
