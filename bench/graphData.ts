import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { Scope } from '../src/database/scope.ts'

/** A graph of calls: vertices are the indexes of their names, edges the pairs `src[i]`, `dst[i]`, each once and none from a vertex to itself. */
export interface CallGraph {
  urns: readonly string[]
  src: Int32Array
  dst: Int32Array
}

export interface LoadCallGraphOptions {
  /** The end of the newest bucket. Default: 2026-11-01 in UTC. */
  now?: Date
  /** In how many 5-minute buckets before `now` every edge is called. Default 2. */
  buckets?: number
}

/** The calls of real services: a vertex is a name within the service at which its requests came in. */
export async function realCallGraph(data: string): Promise<CallGraph> {
  const text = await readFile(join(data, 'graph', 'alibaba_dgg_edges_by_service.csv'), 'utf8')
  const vertices = new Map<string, number>()
  const vertex = (urn: string) => {
    const known = vertices.get(urn) ?? vertices.size
    vertices.set(urn, known)
    return known
  }
  const edges = new Map<string, [number, number]>()
  for (const line of text.trim().split(/\r?\n/).slice(1)) {
    const [entry, caller, callee] = line.split(',')
    if (caller === callee) continue
    edges.set(`${entry},${caller},${callee}`, [vertex(`urn:svc:${entry}/${caller}`), vertex(`urn:svc:${entry}/${callee}`)])
  }
  const pairs = [...edges.values()]
  return { urns: [...vertices.keys()], src: Int32Array.from(pairs, ([src]) => src), dst: Int32Array.from(pairs, ([, dst]) => dst) }
}

/**
 * A random graph of about so many edges whose vertices have the degrees of a given one: as many copies of each vertex as it takes, their outgoing ends
 * joined to their incoming ends at random (the configuration model, Bollobás 1980). Pairs that came twice, and vertices joined to themselves, are left
 * out: a few in a thousand. The same in every run.
 */
export function syntheticCallGraph(like: CallGraph, edges: number): CallGraph {
  const copies = Math.ceil(edges / like.src.length)
  const vertices = like.urns.length
  const src = new Int32Array(edges)
  const dst = new Int32Array(edges)
  for (let edge = 0; edge < edges; edge++) {
    const copy = Math.floor(edge / like.src.length) % copies
    src[edge] = like.src[edge % like.src.length]! + copy * vertices
    dst[edge] = like.dst[edge % like.src.length]! + copy * vertices
  }
  const random = xoroshiro128plus(7)
  for (let edge = edges - 1; edge > 0; edge--) {
    const other = uniformInt(random, 0, edge)
    ;[dst[edge], dst[other]] = [dst[other]!, dst[edge]!]
  }
  const total = copies * vertices
  const met = new Set<number>()
  const kept: number[] = []
  for (let edge = 0; edge < edges; edge++) {
    const pair = src[edge]! * total + dst[edge]!
    if (src[edge] === dst[edge] || met.has(pair)) continue
    met.add(pair)
    kept.push(edge)
  }
  return {
    urns: Array.from({ length: total }, (_, vertex) => `urn:svc:synthetic/${vertex}`),
    src: Int32Array.from(kept, (edge) => src[edge]!),
    dst: Int32Array.from(kept, (edge) => dst[edge]!),
  }
}

/** Every vertex reaches every other within a few hops, over many cycles: so many vertices that call so many others each, at random. */
export function denseCallGraph(vertices: number, degree: number): CallGraph {
  const random = xoroshiro128plus(11)
  const src: number[] = []
  const dst: number[] = []
  for (let vertex = 0; vertex < vertices; vertex++) {
    const others = new Set<number>()
    while (others.size < degree) {
      const other = uniformInt(random, 0, vertices - 1)
      if (other !== vertex) others.add(other)
    }
    for (const other of others) {
      src.push(vertex)
      dst.push(other)
    }
  }
  return {
    urns: Array.from({ length: vertices }, (_, vertex) => `urn:svc:dense/${vertex}`),
    src: Int32Array.from(src),
    dst: Int32Array.from(dst),
  }
}

/**
 * Writes a graph as rows of `service_call_5m`, as ingest would have: in every bucket each edge has calls, percentiles and their histogram (none where it
 * was one call), of its own latencies. Resources are services. The same in every run; returns until when it is.
 */
export async function loadCallGraph(
  scope: Scope,
  { urns, src, dst }: CallGraph,
  { now = new Date(Date.UTC(2026, 10, 1)), buckets = 2 }: LoadCallGraphOptions = {},
): Promise<Date> {
  const ids = await insertServices(scope, urns)
  for (let bucket = buckets; bucket >= 1; bucket--) {
    const begin = new Date(now.getTime() - bucket * 300_000)
    for (let from = 0; from < src.length; from += 50_000) {
      const [callers, callees] = [src, dst].map((ends) => Array.from(ends.subarray(from, from + 50_000), (vertex) => ids[vertex]!))
      await insertCalls(scope, begin, callers!, callees!)
    }
  }
  await sql`analyze ${scope.id('service_call_5m')}, ${scope.id('dim_resource')}`.execute(scope.db)
  return now
}

/** The ids of the new services, in the order of their URNs. */
async function insertServices(scope: Scope, urns: readonly string[]): Promise<string[]> {
  const ids = new Map<string, string>()
  for (let from = 0; from < urns.length; from += 50_000) {
    const { rows } = await sql<{ urn: string; id: string }>`
      insert into ${scope.id('dim_resource')} (tenant_id, urn, type, name)
      select ${scope.tenantId}::int8, urn, 'service', substring(urn from '[^/]*$')
      from unnest(${urns.slice(from, from + 50_000)}::text[]) as given (urn)
      returning urn, resource_id::text as id
    `.execute(scope.db)
    for (const { urn, id } of rows) ids.set(urn, id)
  }
  return urns.map((urn) => ids.get(urn)!)
}

/**
 * The calls of one bucket. What an edge's calls took is one of a thousand histograms, of up to 12 of the 2 %-wide classes between 1 ms and 1 s with up to four
 * calls in each: what a service with a dozen calls in 5 minutes leaves.
 */
const insertCalls = (scope: Scope, bucket: Date, src: readonly string[], dst: readonly string[]) =>
  sql`
  with sample as materialized (
    select seed, histogram, calls, ${scope.id('exp_histogram_quantile')}(histogram, 0.5) as p50, ${scope.id('exp_histogram_quantile')}(histogram, 0.95) as p95
    from generate_series(0, 1023) as seed
    cross join lateral (
      select ${scope.id('exp_histogram_encode')}(array[5::int8] || array_agg(part order by class, position)) as histogram, sum(part) filter (where position = 2) as calls
      from generate_series(0, seed % 12) as class
      cross join lateral (values (1, 65537::int8 + seed % 160 + class * (1 + seed % 13)), (2, 1 + ((seed >> class) & 3))) as half (position, part)
    ) as made
  )
  insert into ${scope.id('service_call_5m')}
    (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram)
  select
    ${bucket}::timestamptz, ${scope.tenantId}::int8, src, dst, calls / 300::float8, errors / calls::float8, p50, p95, calls, errors,
    case when calls > 1 then histogram end
  from unnest(${src}::int8[], ${dst}::int8[]) as edge (src, dst)
  join sample on sample.seed = hashint8extended(src, hashint8extended(dst, extract(epoch from ${bucket}::timestamptz)::int8)) & 1023
  cross join lateral (select case when src % 10 = 0 then least(calls, 1 + dst % 3) else 0 end as errors) as failed
`.execute(scope.db)
