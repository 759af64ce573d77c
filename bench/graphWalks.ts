import { isDeepStrictEqual } from 'node:util'
import { sql, type Compilable, type CompiledQuery, type Kysely } from 'kysely'
import { activeCalls } from '../src/calls/activeCalls.ts'
import { tenantScope, type Scope } from '../src/database/scope.ts'
import { cycles } from '../src/graph/cycles.ts'
import { impact } from '../src/graph/impact.ts'
import { kShortestPaths } from '../src/graph/kShortestPaths.ts'
import { neighbourhood } from '../src/graph/neighbourhood.ts'
import { reach, type ReachRow } from '../src/graph/reach.ts'
import { shortestPath } from '../src/graph/shortestPath.ts'
import type { Figure } from './benchmark.ts'
import type { CallGraph } from './graphData.ts'
import { seconds } from './target.ts'

export interface GraphWalksOptions {
  /** Of the tenant whose graph of calls has just been refreshed. */
  scope: Scope
  /** What was loaded. */
  graph: CallGraph
  /** What the figures are named after: `graph`, `graph.dense`, `graph.large`. */
  name: string
  /** Whether AGE's own `[*1..3]` is measured too: once, and given up after five minutes. */
  age?: boolean
}

const pairs = 9
const ageTimeout = 300

/**
 * Walking the graph of calls: `reach` from the busiest vertex beside a recursive query by hand, which follows the label's table by AGE's own index and answers
 * the same resources, URNs and depths (in `vs_ids`: nothing but ids and depths), and beside Cypher's `[*1..3]`; the shortest path between vertices that
 * are as far from each other as any; and what else walks. Ratios are medians of pairs, of each of which the quickest of some executions counts.
 */
export async function* graphWalks({ scope: loaded, graph, name, age = false }: GraphWalksOptions): AsyncGenerator<Figure> {
  await sql`analyze ${sql.id(loaded.graphName, 'CALLS')}, ${sql.id(loaded.graphName, 'Resource')}`.execute(loaded.db)
  const scope = await tenantScope(loaded.db, loaded.tenantCode)
  const calls = activeCalls(scope)
  const from = graph.urns[busiest(graph)]!

  let worst = 0
  let three = 0
  for (const hops of [3, 10]) {
    const ours = reach(scope, calls, { from, hops })
    const byHand = await compare(scope.db, ours, reachByHand(scope, from, hops), ({ resource_id, urn, depth }) => ({
      resource_id,
      urn,
      depth,
    }))
    worst = Math.max(worst, byHand.ratio)
    if (hops === 3) three = byHand.ours
    yield { figure: `${name}.reach.${hops}.ms`, value: byHand.ours * 1000, unit: 'ms' }
    yield { figure: `${name}.reach.vs_cte.${hops}`, value: byHand.ratio, unit: 'x' }
    yield { figure: `${name}.reach.vs_ids.${hops}`, value: (await compare(scope.db, ours, idsByHand(scope, from, hops))).ratio, unit: 'x' }
  }
  yield { figure: `${name}.reach.vs_cte`, value: worst, unit: 'x' }

  const far = farPairs(graph)
  const fewest = far.map((ends) => shortestPath(scope, calls, ends))
  const quickest = far.map((ends) => shortestPath(scope, calls, { ...ends, length: 'p95_ms' }))
  yield { figure: `${name}.shortest_path.ms`, value: (await medianSeconds(scope.db, fewest)) * 1000, unit: 'ms' }
  yield { figure: `${name}.weighted_path.ms`, value: (await medianSeconds(scope.db, quickest)) * 1000, unit: 'ms' }
  const ways = far.map((ends) => kShortestPaths(scope, calls, { ...ends, limit: 10, length: 'p95_ms' }))
  yield { figure: `${name}.ten_paths.ms`, value: (await medianSeconds(scope.db, ways)) * 1000, unit: 'ms' }

  const called = graph.urns[busiest({ ...graph, src: graph.dst })]!
  yield {
    figure: `${name}.impact.ms`,
    value: (await medianSeconds(scope.db, [impact(scope, calls, { resource: called })])) * 1000,
    unit: 'ms',
  }
  const around = neighbourhood(scope, calls, { resource: far[0]!.from, hops: 2 })
  yield { figure: `${name}.neighbourhood.ms`, value: (await medianSeconds(scope.db, [around])) * 1000, unit: 'ms' }
  yield { figure: `${name}.cycles.ms`, value: (await medianSeconds(scope.db, [cycles(scope, calls)])) * 1000, unit: 'ms' }

  if (age) yield { figure: `${name}.reach.vs_age`, value: (await ageSeconds(scope, from)) / three, unit: 'x' }
}

/** What somebody would write who knows AGE's tables: each edge found by the index that AGE's graphs have, and each vertex by its resource's key. */
const reachByHand = (scope: Scope, from: string, hops: number) => sql<Omit<ReachRow, 'via_urn'>>`
  with recursive ${walkByHand(scope, from, hops)}
  select resource.resource_id, resource.urn, min(walk.depth) as depth
  from walk
  join ${scope.id('dim_resource')} as resource
    on resource.resource_id = (walk.id::text::int8 & 281474976710655) and resource.tenant_id = ${scope.tenantId}::int8
  where resource.urn <> ${from}
  group by resource.resource_id, resource.urn
  order by depth, urn
`

const idsByHand = (scope: Scope, from: string, hops: number) => sql<{ id: string; depth: number }>`
  with recursive ${walkByHand(scope, from, hops)}
  select walk.id::text::int8 & 281474976710655 as id, min(walk.depth) as depth from walk where walk.depth > 0 group by walk.id
`

const walkByHand = (scope: Scope, from: string, hops: number) => sql`
  walk (id, depth) as (
    select ag_catalog._graphid((select ag_catalog._label_id(${scope.graphName}::name, 'Resource'::name)::int4), resource.resource_id), 0
    from ${scope.id('dim_resource')} as resource
    where resource.tenant_id = ${scope.tenantId}::int8 and resource.urn = ${from}
    union
    select call.end_id, walk.depth + 1
    from walk
    join ${sql.id(scope.graphName, 'CALLS')} as call on call.start_id operator(ag_catalog.=) walk.id
    where walk.depth < ${hops}::int4
  )
`

/** How long AGE takes for the vertices within three calls. What is given up counts with the time that it was given. */
const ageSeconds = (scope: Scope, from: string): Promise<number> =>
  scope.db.connection().execute(async (db) => {
    await sql`load 'age'`.execute(db)
    await sql.raw(`set search_path = ag_catalog, "$user", public`).execute(db)
    await sql.raw(`set statement_timeout = '${ageTimeout}s'`).execute(db)
    const text = `match (a:Resource {urn: '${from.replaceAll(/['\\]/g, '\\$&')}'})-[:CALLS*1..3]->(b) return distinct b.urn`
    const taken = await seconds(() =>
      sql
        .raw(`select count(*) from cypher('${scope.graphName}', $cypher$ ${text} $cypher$) as (urn agtype)`)
        .execute(db)
        .catch((error: unknown) => {
          if (!(error instanceof Error && error.message.includes('statement timeout'))) throw error
        }),
    )
    await sql.raw('reset statement_timeout').execute(db)
    await sql.raw('reset search_path').execute(db)
    return taken
  })

/** The vertex that most edges leave. */
function busiest({ urns, src }: CallGraph): number {
  const degrees = new Int32Array(urns.length)
  for (const vertex of src) degrees[vertex]!++
  return degrees.reduce((best, degree, vertex) => (degree > degrees[best]! ? vertex : best), 0)
}

/**
 * Nine pairs of vertices of which the second is as far from the first as any, from those of up to 2,000 vertices, evenly spread, whose farthest is the
 * farthest.
 */
function farPairs({ urns, src, dst }: CallGraph): { from: string; to: string }[] {
  const order = [...src.keys()].sort((one, other) => src[one]! - src[other]!)
  const first = new Int32Array(urns.length + 1)
  for (const vertex of src) first[vertex + 1]!++
  for (let vertex = 0; vertex < urns.length; vertex++) first[vertex + 1]! += first[vertex]!
  const met = new Int32Array(urns.length).fill(-1)
  const farthest = (start: number) => {
    let frontier = [start]
    for (let depth = 0; ; depth++) {
      const next: number[] = []
      for (const vertex of frontier) {
        met[vertex] = start
        for (let edge = first[vertex]!; edge < first[vertex + 1]!; edge++) {
          const other = dst[order[edge]!]!
          if (met[other] === start) continue
          met[other] = start
          next.push(other)
        }
      }
      if (next.length === 0) return { start, depth, end: frontier.at(-1)! }
      frontier = next
    }
  }
  const sources = [...new Set(src)]
  // Where all lead everywhere, a few tell as much.
  const step = Math.max(1, Math.floor(sources.length / (src.length > 100_000 ? 20 : 2000)))
  return sources
    .filter((_, index) => index % step === 0)
    .map(farthest)
    .toSorted((one, other) => other.depth - one.depth)
    .slice(0, pairs)
    .map(({ start, end }) => ({ from: urns[start]!, to: urns[end]! }))
}

/** The median of the pairs' ratios, time of ours by time by hand, and of the seconds that ours takes; with `same`, the answers must be. */
async function compare<Row>(
  db: Kysely<{}>,
  ours: Compilable<Row>,
  byHand: { compile(db: Kysely<{}>): CompiledQuery },
  same?: (row: Row) => unknown,
): Promise<{ ratio: number; ours: number }> {
  const [mine, theirs] = [ours.compile(), byHand.compile(db)]
  const answer = (await db.executeQuery(mine)).rows
  const expected = (await db.executeQuery(theirs)).rows.map((row) => ({ ...(row as object) }))
  // By hand the start is met again where a cycle leads back to it.
  const agree = same === undefined ? Math.abs(answer.length - expected.length) <= 1 : isDeepStrictEqual(answer.map(same), expected)
  if (answer.length === 0 || !agree) throw new Error(`${answer.length} rows of ours are not the ${expected.length} by hand`)
  const taken: { ratio: number; ours: number }[] = []
  for (let pair = 0; pair < pairs; pair++) {
    const quickest = { mine: Infinity, theirs: Infinity }
    for (let run = 0; run < 5; run++) {
      quickest.mine = Math.min(quickest.mine, await seconds(() => db.executeQuery(mine)))
      quickest.theirs = Math.min(quickest.theirs, await seconds(() => db.executeQuery(theirs)))
    }
    taken.push({ ratio: quickest.mine / quickest.theirs, ours: quickest.mine })
    // What takes seconds is told by fewer.
    if (quickest.mine + quickest.theirs > 1 && pair >= 2) break
  }
  return { ratio: median(taken.map(({ ratio }) => ratio)), ours: median(taken.map(({ ours: time }) => time)) }
}

/** The median of all executions, three of each query; one where that takes long. */
async function medianSeconds(db: Kysely<{}>, queries: readonly { compile(): CompiledQuery }[]): Promise<number> {
  const taken: number[] = []
  for (const query of queries) {
    const statement = query.compile()
    for (let run = 0; run < 3; run++) {
      const time = await seconds(() => db.executeQuery(statement))
      taken.push(time)
      if (time > 1) break
    }
  }
  return median(taken)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
