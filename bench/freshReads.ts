import { sql, type Compilable, type Kysely } from 'kysely'
import { tenantScope, type Scope } from '../src/database/scope.ts'
import { addDocuments } from '../src/knowledge/documents/addDocuments.ts'
import { everyRead, makeEverythingElse } from '../test/support/everyRead.ts'
import { graphTimes, makeGraphWorld } from '../test/support/graphWorld.ts'
import type { Figure } from './benchmark.ts'
import { serverSeconds } from './serverSeconds.ts'
import { newTenant } from './target.ts'

/** So many resources that each table has about 20,000 rows, or more. */
const resources = 3_000
const chunks = 20_000
/** A read that takes longer counts as this. */
const patienceMs = 20_000
/** Below this, a ratio says nothing. */
const noticeableMs = 20

/**
 * Every read of the public API (`everyRead` of the tests, which the compiler holds complete) over tables of 20,000 rows that nobody has analysed, and again
 * after `analyze`. `growth.fresh.worst` is the largest ratio of the two.
 */
export async function* freshReads(db: Kysely<{}>, progress: (line: string) => void): AsyncGenerator<Figure> {
  const { scope, names, event } = await makeWorld(db, progress)
  const fresh = await times(scope, names, event, progress)
  await sql`analyze`.execute(db)
  progress('analysed')
  const analysed = await times(scope, names, event, progress)
  const ratios = [...fresh]
    .map(([name, took]) => ({
      name,
      took,
      later: analysed.get(name)!,
      ratio: Math.max(took, noticeableMs) / Math.max(analysed.get(name)!, noticeableMs),
    }))
    .toSorted((a, b) => b.ratio - a.ratio)
  for (const { name, took, later, ratio } of ratios.slice(0, 40))
    progress(`${ratio.toFixed(2)} x: ${name}: ${took.toFixed(0)} ms, analysed ${later.toFixed(0)} ms`)
  const [worst] = ratios
  progress(
    `the slowest: ${[...analysed]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, 20)
      .map(([name, ms]) => `${name} ${ms.toFixed(0)}`)
      .join(', ')}`,
  )
  yield { figure: 'growth.fresh.worst', value: worst!.ratio, unit: `x: ${worst!.name}` }
}

async function times(
  scope: Scope,
  names: readonly string[],
  event: string,
  progress: (line: string) => void,
): Promise<Map<string, number>> {
  const current = await tenantScope(scope.db, scope.tenantCode)
  const reads = everyRead(current, names, { event }, { age: current.graphMade })
  const measured = new Map<string, number>()
  for (const [name, read] of Object.entries(reads)) {
    const took = await executed(scope.db, read)
    if (took > 2_000) progress(`${name}: ${took.toFixed(0)} ms`)
    measured.set(name, took)
  }
  return measured
}

/** The milliseconds of a read, the quicker of two; its rows stay on the server. */
async function executed(db: Kysely<{}>, read: Compilable): Promise<number> {
  const { sql: text, parameters } = read.compile()
  const run = async () => {
    let impatient = false
    const took = await serverSeconds(db, async (connection) => {
      await sql`select set_config('statement_timeout', ${String(patienceMs)}, false)`.execute(connection)
      const query = { ...read.compile(), sql: `select count(*) from (${text}) as answer`, parameters }
      await connection.executeQuery(query).catch((error: unknown) => {
        if (!(error instanceof Error && /statement timeout/.test(error.message))) throw error
        impatient = true
      })
      await sql`reset statement_timeout`.execute(connection)
    })
    return impatient ? patienceMs / 1_000 : took
  }
  const first = await run()
  return 1_000 * (first > 0.5 ? first : Math.min(first, await run()))
}

async function makeWorld(db: Kysely<{}>, progress: (line: string) => void): Promise<{ scope: Scope; names: string[]; event: string }> {
  const empty = await newTenant(db)
  await unanalysed(db)
  const names = Array.from({ length: resources }, (_, index) => `urn:fresh/${index}`)
  const scope = await makeGraphWorld(empty, names, { size: 1, age: empty.extensions.has('age') })
  progress('calls and topology are there')
  const { event } = await makeEverythingElse(scope, names)
  await fillUp(scope)
  progress('metrics, patterns, sketches and events are there')
  await addDocuments(
    scope,
    Array.from({ length: chunks / 4 }, (_, document) => ({
      source: 'wiki',
      title: `Page ${document}`,
      chunks: Array.from({ length: 4 }, (_, part) => ({
        content: `payment ${document % 97} is ${part === 0 ? 'slow' : 'well'} on disk ${document % 1_009}`,
      })),
    })),
  )
  await unanalysed(db)
  progress('documents are there')
  return { scope, names, event }
}

/** Nothing analyses the tables behind the benchmark's back. */
export const unanalysed = (db: Kysely<{}>) =>
  sql`
    do $$
    declare relation regclass;
    begin
      for relation in
        select oid from pg_class where relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information_schema|_timescaledb_(catalog|config|cache|debug|functions)|ag_catalog)'
      loop
        execute format('alter table %s set (autovacuum_enabled = off)', relation);
      end loop;
    end $$
  `.execute(db)

/** The rows of each resource, as the tests' world has them of two. */
async function fillUp(scope: Scope): Promise<void> {
  const { baseline, range } = graphTimes
  const tenant = sql`${scope.tenantId}::int8`
  const resource = scope.id('dim_resource')
  const buckets = sql`generate_series(${baseline.from}::timestamptz, ${range.to}::timestamptz - '10 minutes'::interval, '10 minutes') as bucket`
  await sql`
    insert into ${scope.id('metric_1m')} (bucket, tenant_id, resource_id, metric, labels, avg_val, max_val, p95_val, sample_count)
    select bucket, ${tenant}, resource_id, metric, jsonb_build_object('cpu', resource_id % 8), value, value, value, 1
    from ${resource} cross join unnest(array['process.cpu.utilization', 'other']::text[]) as metric cross join ${buckets}
    cross join lateral (select ((resource_id * 7 + extract(epoch from bucket)::int8 / 600) % 17)::float8 / 20 as value) as measured
    on conflict do nothing
  `.execute(scope.db)
  await sql`
    insert into ${scope.id('log_pattern')} (tenant_id, pattern, severity, first_seen, last_seen)
    select ${tenant}, 'request <*> of ' || number, case when number % 3 = 0 then 'ERROR' else 'INFO' end,
      ${baseline.from}::timestamptz + number % 120 * '1 minute'::interval, ${range.to}::timestamptz
    from generate_series(1, 20000::int4) as number
  `.execute(scope.db)
  await sql`
    insert into ${scope.id('log_pattern_5m')} (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error)
    select bucket, ${tenant}, place.resource_id, pattern.fingerprint_id, 3, 1
    from (select fingerprint_id, row_number() over () as number from ${scope.id('log_pattern')} where tenant_id = ${tenant}) as pattern
    join (select resource_id, row_number() over () as number from ${resource} where tenant_id = ${tenant}) as place on place.number = pattern.number % ${resources}::int8 + 1
    cross join (select bucket from ${buckets}) as time
    where pattern.number % 4 = extract(epoch from bucket)::int8 / 600 % 4
    on conflict do nothing
  `.execute(scope.db)
  await sql`
    insert into ${scope.id('sketch_5m')} (bucket, tenant_id, resource_id, dimension, count_total, count_error, distinct_sketch, error_sketch, heavy_hitters)
    select time.bucket, ${tenant}, resource.resource_id, sketch.dimension, sketch.count_total, sketch.count_error, sketch.distinct_sketch, sketch.error_sketch, sketch.heavy_hitters
    from (select * from ${scope.id('sketch_5m')} where tenant_id = ${tenant} limit 1) as sketch cross join ${resource} as resource cross join (select bucket from ${buckets}) as time
    where resource.tenant_id = ${tenant}
    on conflict do nothing
  `.execute(scope.db)
  await sql`
    with event as (
      insert into ${scope.id('event_envelope')} (tenant_id, resource_id, severity, kind, title, detected_at)
      select ${tenant}, resource_id, 'ERROR', 'anomaly', 'slow ' || number, ${range.from}::timestamptz + number * '1 second'::interval
      from ${resource} cross join generate_series(1, 7) as number where tenant_id = ${tenant}
      returning event_id
    )
    insert into ${scope.id('evidence_link')} (tenant_id, event_id, dim, ref_pg)
    select ${tenant}, event_id, 'metric', '{"table": "metric_1m", "keys": {"metric": "process.cpu.utilization"}}' from event
  `.execute(scope.db)
}
