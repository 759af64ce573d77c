import { sql, type Kysely } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import { maintain } from '../src/operate/maintain/maintain.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { madeUpWindow, windowLength } from './madeUpWindow.ts'
import { newTenant, openTarget } from './target.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/**
 * What a row takes on disk, with its indexes, after a day that came in the order of time: a window of five minutes in each transaction, written by
 * `writeRollups`, and rolled up every hour. 80 % of the series are gauges of six samples a minute, 10 % counters, 10 % latencies of 300 samples; `--rows` of
 * `metric_1m`, as many calls and patterns of 300 in each window as series, and the users of each
 * service.
 *
 * `keep.merge.us` is the server's time for each histogram of these rows that is merged by the hour, beyond reading and grouping them.
 */
export async function* keep({ url, rows = 288_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  const { db, close } = await openTarget(url)
  try {
    const scope = await newTenant(db)
    const series = Math.max(10, Math.round(rows / (day / minute)))
    const end = new Date(Math.floor(Date.now() / day) * day)
    for (let from = end.getTime() - day; from < end.getTime(); from += windowLength) {
      await writeRollups(scope, madeUpWindow(from, series, { sketched: true }))
      if ((from + windowLength) % hour === 0) await roll(scope, new Date(from + windowLength))
    }
    await roll(scope, new Date(end.getTime() + 3 * hour))
    await sql`vacuum analyze`.execute(db)
    for (const table of ['metric_1m', 'service_call_5m', 'metric_1h', 'log_pattern_5m', 'sketch_5m']) {
      const { heap, indexes } = await bytesOfRow(scope, table)
      yield { figure: `keep.${table}.bytes`, value: heap + indexes, unit: 'B' }
      yield { figure: `keep.${table}.bytes.indexes`, value: indexes, unit: 'B' }
    }
    yield { figure: 'keep.merge.us', value: await mergeMicroseconds(scope), unit: 'us' }
  } finally {
    await close()
  }
}

/** As a server does it by itself, or maintenance does. */
async function roll({ db, installation }: Scope, now: Date): Promise<void> {
  if (installation.timeRung !== 'community') await maintain(db, { now })
  else await sql`call refresh_continuous_aggregate('metric_1h', null, ${new Date(now.getTime() - hour)}::timestamptz)`.execute(db)
}

async function bytesOfRow({ db, installation }: Scope, table: string): Promise<{ heap: number; indexes: number }> {
  const place =
    table !== 'metric_1h'
      ? sql`${table}::regclass`
      : installation.timeRung !== 'community'
        ? sql`'metric_1h_stored'::regclass`
        : sql`(
            select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
            from timescaledb_information.continuous_aggregates where view_name = 'metric_1h'
          )`
  const { rows } = await sql<{ heap: number; indexes: number }>`
    with recursive part (oid) as (
      select ${place}::oid
      union all
      select inhrelid from pg_catalog.pg_inherits join part on part.oid = inhparent
    )
    select sum(pg_table_size(oid))::float8 / counted.rows as heap, sum(pg_indexes_size(oid))::float8 / counted.rows as indexes
    from part, (select count(*)::float8 as rows from ${sql.id(table)}) as counted
    group by counted.rows
  `.execute(db)
  return rows[0]!
}

async function mergeMicroseconds(scope: Scope): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(histogram)::float8 as count from ${scope.id('metric_1m')}`.execute(scope.db)
  const [merging, reading] = [Infinity, Infinity].map((start) => [start]) as [number[], number[]]
  for (let run = 0; run < 5; run++) {
    merging.push(await serverMilliseconds(scope.db, sql`${scope.id('exp_histogram_merge')}(histogram)`))
    reading.push(await serverMilliseconds(scope.db, sql`max(octet_length(histogram))`))
  }
  return ((Math.min(...merging) - Math.min(...reading)) * 1000) / rows[0]!.count
}

async function serverMilliseconds(db: Kysely<{}>, aggregate: ReturnType<typeof sql>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await sql`set local max_parallel_workers_per_gather = 0`.execute(trx)
    await sql`set local jit = off`.execute(trx)
    const { rows } = await sql<{ 'QUERY PLAN': unknown }>`
      explain (analyze, timing off, format json)
      select ${aggregate} from metric_1m group by series_id, date_bin('1 hour', bucket, '2000-01-01Z')
    `.execute(trx)
    const plan = rows[0]!['QUERY PLAN']
    const [{ 'Execution Time': time }] = (typeof plan === 'string' ? JSON.parse(plan) : plan) as [{ 'Execution Time': number }]
    return time
  })
}
