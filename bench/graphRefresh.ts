import { sql, type Kysely } from 'kysely'
import { capabilities } from '../src/database/capabilities.ts'
import { activeCalls } from '../src/calls/activeCalls.ts'
import { refreshCallGraph } from '../src/calls/refreshCallGraph.ts'
import type { Scope } from '../src/database/scope.ts'
import type { Figure } from './benchmark.ts'
import { newTenant, seconds } from './target.ts'

const runs = 7
const bucket = 300_000

/**
 * Refreshing the graph of a tenant whose edges are called in every one of three buckets before `now`, in windows of two of them: all new, unchanged, and with
 * every edge changed. Medians of seven runs, each of which begins with an empty graph.
 *
 * What it is compared with, in the same run: the same vertices and edges written by a bare `insert .. select` into the same label tables with the same indexes,
 * with averages where we merge histograms; and, per edge, `MERGE` in Cypher the second time it gets the same edges.
 */
export async function* refreshFigures(scope: Scope, now: Date): AsyncGenerator<Figure> {
  const taken = { insert: [] as number[], fresh: [] as number[], unchanged: [] as number[], changed: [] as number[] }
  const before = new Date(now.getTime() - bucket)
  let edges = 0
  for (let run = 0; run < runs; run++) {
    await emptyGraph(scope)
    taken.insert.push(await seconds(() => insertBare(scope, before)))
    await emptyGraph(scope)
    taken.fresh.push(
      await seconds(async () => {
        edges = (await refresh(scope, before)).edges.added
      }),
    )
    taken.unchanged.push(await seconds(() => refresh(scope, before)))
    taken.changed.push(await seconds(() => refresh(scope, now)))
  }
  const [insert, fresh] = [median(taken.insert), median(taken.fresh)]
  yield { figure: 'graph.refresh', value: fresh, unit: 's' }
  yield { figure: 'graph.refresh.edges_per_s', value: edges / fresh, unit: 'rows/s' }
  yield { figure: 'graph.refresh.vs_insert', value: median(taken.fresh.map((time, run) => time / taken.insert[run]!)), unit: 'x' }
  yield { figure: 'graph.refresh.insert', value: insert, unit: 's' }
  yield { figure: 'graph.refresh.unchanged_vs_new', value: median(taken.unchanged.map((time, run) => time / taken.fresh[run]!)), unit: 'x' }
  yield { figure: 'graph.refresh.changed_vs_new', value: median(taken.changed.map((time, run) => time / taken.fresh[run]!)), unit: 'x' }
  // AGE's MERGE writes edges from nowhere to nowhere there, and then fails on them.
  if ((await capabilities(scope.db)).embedded) {
    console.error('graph.refresh.merge_per_edge, graph.refresh.vs_merge: left out, since MERGE does not work on PGlite: give --url URL')
    return
  }
  const merged = 500
  const perMerge = (await mergeAgain(scope, merged)) / merged
  yield { figure: 'graph.refresh.merge_per_edge', value: perMerge * 1000, unit: 'ms' }
  yield { figure: 'graph.refresh.vs_merge', value: perMerge / (fresh / edges), unit: 'x' }
}

/** Refreshing another graph, once: all new, then unchanged. */
export async function* refreshAtSize(scope: Scope, now: Date, { name, edges }: { name: string; edges: number }): AsyncGenerator<Figure> {
  yield { figure: `${name}.edges`, value: edges, unit: 'rows' }
  const fresh = await seconds(() => refresh(scope, now))
  yield { figure: `${name}.refresh`, value: fresh, unit: 's' }
  yield { figure: `${name}.refresh.edges_per_s`, value: edges / fresh, unit: 'rows/s' }
  const unchanged = await seconds(() => refresh(scope, now))
  yield { figure: `${name}.refresh.unchanged_vs_new`, value: unchanged / fresh, unit: 'x' }
}

/** Refreshes in a window that holds the two buckets before `now`. */
const refresh = (scope: Scope, now: Date) => refreshCallGraph(scope, { window: '10 minutes', now: new Date(now.getTime() - 1) })

/** The labels of the graph with their indexes, and nothing in them. */
async function emptyGraph(scope: Scope): Promise<void> {
  await sql`select ${scope.id('graph_prepare')}(${scope.graphName})`.execute(scope.db)
  await sql`truncate ${sql.id(scope.graphName, 'Resource')}, ${sql.id(scope.graphName, 'CALLS')}`.execute(scope.db)
}

/** The same vertices and edges as {@link refresh} writes into empty labels, and nothing else done about them: averages instead of percentiles. */
const insertBare = (scope: Scope, now: Date) =>
  scope.db.transaction().execute(async (db) => {
    const active = sql`
      from ${scope.id('service_call_5m')}
      where tenant_id = ${scope.tenantId}::int8 and bucket >= ${new Date(now.getTime() - 2 * bucket)}::timestamptz and bucket < ${now}::timestamptz
    `
    const graphid = (resource: string) =>
      sql`ag_catalog._graphid((select ag_catalog._label_id(${scope.graphName}::name, 'Resource'::name)::int4), ${sql.ref(resource)})`
    // Ours does so too: compiling the statement takes longer than running it.
    await sql`set local jit = off`.execute(db)
    await sql`
      insert into ${sql.id(scope.graphName, 'Resource')} (id, properties)
      select ${graphid('resource_id')}, ag_catalog.agtype_build_map(
        'tenant_id', tenant_id, 'resource_id', resource_id, 'urn', urn, 'type', type, 'name', name
      )
      from ${scope.id('dim_resource')}
      where resource_id in (select src_resource_id ${active} union select dst_resource_id ${active})
    `.execute(db)
    await sql`
      insert into ${sql.id(scope.graphName, 'CALLS')} (start_id, end_id, properties)
      select ${graphid('src')}, ${graphid('dst')}, ag_catalog.agtype_build_map(
        'rps', rps, 'err_rate', err_rate, 'p50_ms', p50_ms, 'p95_ms', p95_ms, 'first_seen', first_seen::text, 'last_seen', last_seen::text
      )
      from (
        select
          src_resource_id as src, dst_resource_id as dst, avg(rps) as rps, avg(err_rate) as err_rate, avg(p50_ms) as p50_ms, avg(p95_ms) as p95_ms,
          min(bucket) as first_seen, max(bucket) as last_seen
        ${active}
        group by 1, 2
      ) as call
    `.execute(db)
  })

/**
 * Seconds that `MERGE` takes for so many edges of the graph when it has them already, in a graph of nothing else. Five minutes are the most it is given.
 *
 * The edges go without properties: to SET one on what was merged fails in AGE 1.5.
 */
async function mergeAgain(scope: Scope, count: number): Promise<number> {
  const { graphName } = await newTenant(scope.db)
  await sql`select ${scope.id('graph_prepare')}(${graphName})`.execute(scope.db)
  const edges = await activeCalls(scope).select(['src', 'dst']).orderBy('src').orderBy('dst').limit(count).execute()
  const rows = JSON.stringify({ rows: edges.map(({ src, dst }) => ({ src: Number(src), dst: Number(dst) })) })
  const merge = (db: Kysely<{}>) =>
    sql`
      select * from cypher(${sql.lit(graphName)}, $$
        UNWIND $rows AS row
        MERGE (s:Resource {resource_id: row.src}) MERGE (d:Resource {resource_id: row.dst}) MERGE (s)-[:CALLS]->(d)
      $$, ${rows}) as (nothing agtype)
    `.execute(db)
  const inSession = (work: (db: Kysely<{}>) => Promise<unknown>) =>
    scope.db.transaction().execute(async (db) => {
      await sql`select '0'::ag_catalog.agtype`.execute(db)
      await sql`set local search_path = ag_catalog, public`.execute(db)
      await sql`set local statement_timeout = '5min'`.execute(db)
      await work(db)
    })
  await inSession(merge)
  return seconds(() =>
    inSession(merge).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === '57014')) throw error
    }),
  )
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
