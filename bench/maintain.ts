import { sql, type Kysely } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { connect } from '../src/database/connection/connect.ts'
import { maintain, type MaintenanceKind } from '../src/operate/maintain/maintain.ts'
import { migrateOnRung } from '../test/support/migrateOnRung.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { newTenant, openTarget } from './target.ts'

/** What lies around while one hour of it is rolled: series, each with a row a minute. */
const series = { resources: 100, metrics: 10 }
const hours = 26
const strayRows = 200_000
const now = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000)
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000)

/**
 * How fast `maintain` is, and how long each of its steps blocks others: the longest that a reader and a writer, each on a connection of its own, had to wait
 * while it went on, against the longest they waited in the same run while nothing did.
 *
 * On a server twice, with native partitions and with what TimescaleDB it has; without one, only how fast, in this process.
 */
export async function* maintenance({ url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (url === undefined) {
    const target = await openTarget(undefined)
    try {
      yield* rolling('embedded', target.db, undefined)
    } finally {
      await target.close()
    }
    return
  }
  for (const rung of ['native', 'timescaledb'] as const) {
    const target = await openTarget(url, rung === 'native' ? { migrate: (db) => migrateOnRung(db, 'native') } : {})
    const others = connect({ connectionString: target.url!, max: 3 })
    try {
      yield* rolling(rung, target.db, others)
    } finally {
      await others.destroy()
      await target.close()
    }
  }
}

async function* rolling(rung: string, db: Kysely<{}>, others: Kysely<{}> | undefined): AsyncGenerator<Figure> {
  const scope = await newTenant(db)
  await insertResources(scope)
  await maintain(db, { now })
  const rows = await insertMinutes(scope, new Date(now.getTime() - hours * 3_600_000), hours * 60)
  await sql`analyze metric_1m`.execute(db)
  const watch = others === undefined ? undefined : watchOthers({ ...scope, db: others })
  const measure = async (
    phase: string,
    kind: MaintenanceKind,
    work: () => Promise<{ rows: number | null; ms: number }>,
  ): Promise<Figure[]> => {
    // What they wait for with nothing going on, right before: it changes with what the table holds.
    watch?.reset()
    await new Promise((resolve) => setTimeout(resolve, watch === undefined ? 0 : 2_000))
    const quiet = watch?.longest()
    watch?.reset()
    const { rows, ms } = await work()
    await new Promise((resolve) => setTimeout(resolve, 200))
    const figure = (name: string, value: number, unit: string): Figure => ({ figure: `maintain.${rung}.${phase}.${name}`, value, unit })
    const waits = watch?.longest()
    return [
      figure('time', ms, 'ms'),
      ...(kind === 'roll' || kind === 'partition' ? [figure('rows', rows ?? 0, 'rows')] : []),
      ...(['reader', 'writer', 'registrar'] as const).flatMap((who) =>
        waits === undefined || quiet === undefined
          ? []
          : [figure(`${who}_quiet`, quiet[who], 'ms'), figure(`${who}_waited`, waits[who], 'ms')],
      ),
    ]
  }
  const run =
    (kind: MaintenanceKind, at = now) =>
    async () => {
      let [rows, ms] = [0, 0]
      const { notDone } = await maintain(db, {
        now: at,
        onStep: (unit) => {
          if (unit.kind !== kind) return
          rows += unit.rows ?? 0
          ms += unit.ms
        },
      })
      if (notDone.length > 0) throw new Error(`not done: ${JSON.stringify(notDone)}`)
      return { rows, ms }
    }
  try {
    const roll = run('roll')
    let spent = 0
    yield* await measure('roll', 'roll', async () => {
      const done = await roll()
      spent = done.ms
      return done
    })
    yield { figure: `maintain.${rung}.roll.speed`, value: rows / (spent / 1000), unit: 'rows/s' }
    yield* await measure('roll_one_hour', 'roll', async () => {
      // One row that came late.
      await sql`update metric_1m set max_val = 1e9 where ctid = (select ctid from metric_1m where bucket = ${new Date(now.getTime() - 5 * 3_600_000)} limit 1) and bucket = ${new Date(now.getTime() - 5 * 3_600_000)}`.execute(
        db,
      )
      return roll()
    })
    if (rung === 'native' || rung === 'embedded') {
      yield* await measure('partition_ahead', 'partition', run('partition', new Date(now.getTime() + 7 * 86_400_000)))
      await insertStrays(scope)
      yield* await measure('partition_strays', 'partition', run('partition'))
    } else {
      await insertStrays(scope)
      await roll()
    }
    await sql`insert into pgvantage_policy (object, kind, settings) values ('metric_1m', 'retention', '{"retain": "20 days"}')`.execute(db)
    yield* await measure('drop', 'drop', run('drop'))
  } finally {
    await watch?.stop()
  }
}

async function insertResources({ db, tenantId }: Scope): Promise<void> {
  await sql`
    insert into dim_resource (tenant_id, urn, type, name)
    select ${tenantId}::int8, 'urn:svc:' || at, 'service', at::text from generate_series(1, ${series.resources}::int4) as at
  `.execute(db)
}

/** A row a minute for every series; every second minute is of several samples, with a histogram. In the order of time, as they would come. */
async function insertMinutes({ db, tenantId, id }: Scope, from: Date, minutes: number): Promise<number> {
  let rows = 0
  for (let minute = 0; minute < minutes; minute += 60) {
    const { numAffectedRows = 0n } = await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val, sample_count, histogram)
      select
        ${new Date(from.getTime() + minute * 60_000)}::timestamptz + at * interval '1 minute', ${tenantId}::int8, resource_id, 'metric.' || metric,
        value, value, value, case when at % 2 = 0 then 1 else 3 end, case when at % 2 = 1 then ${id('exp_histogram')}(value, 3) end
      from generate_series(0, ${Math.min(60, minutes - minute) - 1}::int4) as at
      cross join (select resource_id from dim_resource where tenant_id = ${tenantId}::int8 and urn ~ '^urn:svc:[0-9]+$') as resource
      cross join generate_series(1, ${series.metrics}::int4) as metric
      cross join lateral (select 1 + (resource_id * 31 + metric * 17 + at * 7) % 997 as value) as made
    `.execute(db)
    rows += Number(numAffectedRows)
  }
  return rows
}

/** Rows of two months ago: of a time that has no partition. */
async function insertStrays({ db, tenantId }: Scope): Promise<void> {
  await sql`
    insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val, max_val, p95_val)
    select ${daysAgo(60)}::timestamptz + at * interval '1 second', ${tenantId}::int8, (select min(resource_id) from dim_resource where tenant_id = ${tenantId}::int8), 'stray', 1, 1, 1
    from generate_series(1, ${strayRows}::int4) as at
  `.execute(db)
}

/** Somebody who reads the last hour, somebody who writes fifty rows at a time, and somebody who registers resources, over and over. */
function watchOthers(scope: Scope) {
  const longest = { reader: 0, writer: 0, registrar: 0 }
  let stopped = false
  let round = 0
  const over = async (who: keyof typeof longest, work: () => Promise<unknown>) => {
    while (!stopped) {
      const began = performance.now()
      await work()
      longest[who] = Math.max(longest[who], performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const { db, tenantId } = scope
  const all = Promise.all([
    over('reader', () =>
      sql`select max(avg_val) from metric_1m join dim_resource using (tenant_id, resource_id) where urn = 'urn:svc:7' and metric = 'metric.1' and bucket >= ${new Date(now.getTime() - 3_600_000)} and bucket < ${now}`.execute(
        db,
      ),
    ),
    over('writer', () =>
      sql`
        insert into metric_1m (bucket, tenant_id, resource_id, metric, avg_val)
        select ${now}::timestamptz + ${round++}::int4 * interval '1 millisecond', ${tenantId}::int8, resource_id, 'written', 1
        from dim_resource where tenant_id = ${tenantId}::int8 order by resource_id limit 50
      `.execute(db),
    ),
    over('registrar', () =>
      sql`insert into dim_resource (tenant_id, urn, type, name) values (${tenantId}::int8, 'urn:new:' || gen_random_uuid(), 'service', 'new')`.execute(
        db,
      ),
    ),
  ])
  return {
    reset: () => Object.assign(longest, { reader: 0, writer: 0, registrar: 0 }),
    longest: () => ({ ...longest }),
    stop: () => {
      stopped = true
      return all
    },
  }
}
