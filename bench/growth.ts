import { sql, type Compilable } from 'kysely'
import { callFan } from '../src/calls/callFan.ts'
import { callsDuring } from '../src/calls/callsDuring.ts'
import { callSeries } from '../src/calls/callSeries.ts'
import { callSummary } from '../src/calls/callSummary.ts'
import { compareCalls } from '../src/calls/compareCalls.ts'
import { slowestDependencies } from '../src/calls/slowestDependencies.ts'
import type { TimeRange } from '../src/database/range.ts'
import { tenantScope, type Scope } from '../src/database/scope.ts'
import { impact } from '../src/graph/impact.ts'
import { reach } from '../src/graph/reach.ts'
import { callOddities } from '../src/incident/callOddities.ts'
import { rankSuspects } from '../src/incident/rankSuspects.ts'
import { anomalies } from '../src/series/anomalies/anomalies.ts'
import { changePoints } from '../src/series/comparison/changePoints.ts'
import { compareTopology } from '../src/topology/compareTopology.ts'
import { recordTopology } from '../src/topology/recordTopology.ts'
import type { TopologyEdge } from '../src/topology/stageSnapshot.ts'
import { topologyAt } from '../src/topology/topologyAt.ts'
import { topologyChanges } from '../src/topology/topologyChanges.ts'
import type { Benchmark, Figure } from './benchmark.ts'
import { freshReads, unanalysed } from './freshReads.ts'
import { serverSeconds } from './serverSeconds.ts'
import { newTenant, openTarget } from './target.ts'

/** Each resource calls as many others. */
const calls = 10
/** Exponents are from the second to the third; the first shows what does not depend on the size. */
const sizes = [100, 1_000, 5_000] as const
const hour = (from: string, to: string): TimeRange => ({ from: new Date(`2026-03-03T${from}Z`), to: new Date(`2026-03-03T${to}Z`) })
const baseline = hour('09:00', '10:00')
const range = hour('10:00', '10:15')
const recorded = new Date('2026-03-03T09:00Z')
const changed = new Date('2026-03-03T10:05Z')

/**
 * How the time of each read grows with the number of resources, over tables that nobody has analysed: 100, 1,000 and 5,000 resources with ten calls each, an
 * hour and a quarter of five-minute rows. A fiftieth of the calls is ten times as slow in the last quarter of an hour. Takes about ten minutes; what it has
 * measured so far goes to stderr. Of a server on this machine the CPU time counts.
 *
 * `growth.suspects.vs_summary` is `rankSuspects` against `callSummary` of the same rows; an exponent is what the time grows by, as a power of the number of
 * resources; `growth.topology_changes.fresh` is `topologyChanges` right after `recordTopology` against the same after `analyze`. `growth.fresh.worst` is of
 * all reads of the library, see `freshReads`.
 */
export const growth: Benchmark = async function* ({ url }) {
  const target = await openTarget(url)
  try {
    const grown = new Map<string, number>()
    await unanalysed(target.db)
    for (const size of sizes) {
      progress(`${size} resources`)
      const scope = await newTenant(target.db)
      const edges = await fill(scope, size)
      yield* measureTopology(scope, edges, size, grown)
      for (const [name, read] of Object.entries(reads(scope))) yield* measure(scope, name, read, size, grown)
      if (size === sizes[1]) {
        const ratio = grown.get(`suspects ${size}`)! / grown.get(`call_summary ${size}`)!
        yield { figure: 'growth.suspects.vs_summary', value: ratio, unit: 'x' }
      }
    }
    const exponents = [...exponentsOf(grown)]
    for (const [name, value] of exponents) yield { figure: `growth.${name}.exponent`, value, unit: '' }
    yield { figure: 'growth.worst.exponent', value: Math.max(...exponents.map(([, value]) => value)), unit: '' }
  } finally {
    await target.close()
  }
  const other = await openTarget(url)
  try {
    yield* freshReads(other.db, progress)
  } finally {
    await other.close()
  }
}

const begun = performance.now()
const progress = (line: string) => console.error(`${((performance.now() - begun) / 1000).toFixed().padStart(4)} s  ${line}`)

const urn = (number: number) => `urn:k8s:svc:growth/${number}`

/** The resources, who calls whom, and the rows of the calls; no table is analysed. */
async function fill(scope: Scope, size: number): Promise<TopologyEdge[]> {
  const tenant = sql`${scope.tenantId}::int8`
  await sql`
    insert into ${scope.id('dim_resource')} (tenant_id, urn, type, name)
    select ${tenant}, 'urn:k8s:svc:growth/' || number, 'service', number::text from generate_series(0, ${size - 1}::int4) as number
  `.execute(scope.db)
  // A call leads further down, so that there is a way from the first to most of them, or to one of the next hundred.
  const ends = Array.from({ length: size }, (_, src) => {
    const callees = Array.from({ length: calls }, (_, at) => (at < 5 ? src * 5 + at + 1 : src + (at - 4) * 17) % size)
    return [...new Set(callees)].map((dst) => [src, dst] as const)
  }).flat()
  await sql`
    with latency as materialized (
      select factor, step, p50, p50 * 3 as p95,
        (select ${scope.id('exp_histogram_merge')}(${scope.id('exp_histogram')}(sample)) from unnest(array[p50, p50 * 3]) as sample) as histogram
      from generate_series(0, 6) as step cross join unnest(array[1, 10]) as factor cross join lateral (select (factor * (20 + step))::float8 as p50) as middle
    )
    insert into ${scope.id('service_call_5m')} (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram)
    select bucket, ${tenant}, caller.resource_id, callee.resource_id, 1, 0, latency.p50, latency.p95, 300, 0, latency.histogram
    from unnest(${ends.map(([src]) => urn(src))}::text[], ${ends.map(([, dst]) => urn(dst))}::text[]) with ordinality as edge (src, dst, number)
    join ${scope.id('dim_resource')} as caller on caller.tenant_id = ${tenant} and caller.urn = edge.src
    join ${scope.id('dim_resource')} as callee on callee.tenant_id = ${tenant} and callee.urn = edge.dst
    cross join generate_series(${baseline.from}::timestamptz, ${range.to}::timestamptz - '5 minutes'::interval, '5 minutes') as bucket
    join latency on latency.step = edge.number % 7 and latency.factor = case when edge.number % 50 = 1 and bucket >= ${range.from}::timestamptz then 10 else 1 end
    on conflict do nothing
  `.execute(scope.db)
  return ends.map(([src, dst]) => ({ from: urn(src), to: urn(dst), props: { version: src % 10 } }))
}

async function* measureTopology(scope: Scope, edges: TopologyEdge[], size: number, grown: Map<string, number>): AsyncGenerator<Figure> {
  const source = { relation: 'calls', source: 'growth' }
  const moved = edges.map((edge, at) => (at % 3 === 0 ? { ...edge, props: { version: 'next' } } : edge))
  await recordTopology(scope, edges, { ...source, at: recorded })
  const { tenantCode } = scope
  const recording = await serverSeconds(scope.db, async (db) =>
    recordTopology(await tenantScope(db, tenantCode), moved, { ...source, at: changed }),
  )
  yield* note('record_topology', recording, size, grown)
  const changes = topologyChanges(scope, { range: { from: recorded, to: range.to } })
  const fresh = await executed(scope, changes)
  yield* note('topology_changes', fresh, size, grown)
  if (size !== sizes[1]) return
  // Rolled back: all else is measured as nobody has analysed it.
  const later = await analysed(scope, changes)
  yield { figure: 'growth.topology_changes.fresh', value: fresh / later, unit: 'x' }
}

function reads(scope: Scope): Record<string, Compilable> {
  const whole = { from: baseline.from, to: range.to }
  const edges = callsDuring(scope, { range: whole })
  const series = callSeries(scope, { measure: 'p95_ms', by: 'callee', range: whole })
  return {
    call_summary: callSummary(scope, { range: whole, by: 'call' }),
    suspects: rankSuspects(scope, { service: urn(0), range, baseline }),
    call_oddities: callOddities(scope, { range, baseline }),
    compare_calls: compareCalls(scope, { baseline, candidate: range }),
    call_series: series,
    call_fan: callFan(scope, { by: 'callee', range: whole }),
    calls_during: edges,
    slowest_dependencies: slowestDependencies(scope, { service: urn(0), range: whole }),
    reach: reach(scope, edges, { from: urn(0), hops: 10 }),
    impact: impact(scope, edges, { resource: urn(7) }),
    anomalies: anomalies(scope, series, { method: 'robust-z', window: '1 hour', threshold: 4 }),
    change_points: changePoints(scope, series),
    topology_at: topologyAt(scope, { at: changed }),
    compare_topology: compareTopology(scope, { before: recorded, after: changed }),
  }
}

async function* measure(scope: Scope, name: string, read: Compilable, size: number, grown: Map<string, number>): AsyncGenerator<Figure> {
  yield* note(name, await executed(scope, read), size, grown)
}

/** The quicker of two executions; of one, where that takes long. */
async function executed({ db }: Pick<Scope, 'db'>, read: Compilable): Promise<number> {
  const run = () => serverSeconds(db, (connection) => connection.executeQuery(read.compile()))
  const first = await run()
  return first > 3 ? first : Math.min(first, await run())
}

/** The same with statistics, which are gone afterwards. */
async function analysed(scope: Scope, read: Compilable): Promise<number> {
  const trx = await scope.db.startTransaction().execute()
  try {
    await sql`analyze ${scope.id('topo_edge_time')}, ${scope.id('dim_resource')}`.execute(trx)
    return await executed({ db: trx }, read)
  } finally {
    await trx.rollback().execute()
  }
}

function* note(name: string, value: number, size: number, grown: Map<string, number>): Generator<Figure> {
  progress(`${name}: ${value.toFixed(3)} s`)
  yield { figure: `growth.${name}.${size}.s`, value, unit: 's' }
  grown.set(`${name} ${size}`, value)
}

function* exponentsOf(grown: ReadonlyMap<string, number>): Generator<[string, number]> {
  const [, small, large] = sizes
  for (const [key, value] of grown) {
    const [name, size] = key.split(' ') as [string, string]
    if (size === String(large)) yield [name, Math.log(value / grown.get(`${name} ${small}`)!) / Math.log(large / small)]
  }
}
