import { sql } from 'kysely'
import { z } from 'zod'
import { durationText, milliseconds } from '../database/range.ts'
import { requireExtension, type Scope } from '../database/scope.ts'
import { mirrorGraph, type MirrorCounts } from '../graph/mirrorGraph.ts'
import { parse } from '../schema/parse.ts'

export interface RefreshCallGraphOptions {
  /** A 5-minute bucket belongs when it begins at `now - window` or later. Default `'10 minutes'`. */
  window?: string
  /** Default: the caller's clock. */
  now?: Date
  /** Give up before the next statement; the graph stays as it was. */
  signal?: AbortSignal
}

const refreshOptions = z.strictObject({
  window: durationText.default('10 minutes'),
  now: z.date().default(() => new Date()),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Makes the tenant's AGE graph hold the calls that are active: those of `service_call_5m` with a call in the window, as
 * `(:Resource {tenant_id, resource_id, urn, type, name})-[:CALLS {rps, err_rate, p50_ms, p95_ms, first_seen, last_seen}]->(:Resource)`.
 *
 * `rps` is the edge's calls divided by the seconds of the buckets that the tenant has in the window; `err_rate` is errors over calls. The
 * percentiles are those of the bucket where the edge has one, else come from the merged histograms (relative error at most 1.083 %); a bucket
 * without a histogram counts as so many calls of its own p50 for `p50_ms`, and of its p95 for `p95_ms`. `first_seen` and `last_seen` are the begins
 * of buckets, as ISO 8601 text in UTC; `first_seen` survives for as long as the edge stays in the graph.
 *
 * Readers see the graph as it was or as it is; edges that left the window are gone; twice in a row changes nothing; two at once are harmless, and
 * no tenant waits for another. See {@link mirrorGraph}.
 *
 * @returns what was added, changed and removed.
 * @throws MissingCapabilityError without Apache AGE: `callsDuring` is the frame to work on there.
 * @throws InvalidInputError when `window` is no interval or `now` no date.
 * @example
 * await refreshCallGraph(scope, { window: '10 minutes' })
 * // { vertices: { added: 8, changed: 0, removed: 0 }, edges: { added: 11, changed: 0, removed: 0 } }
 *
 * // select "src_resource_id" as "src", "dst_resource_id" as "dst", sum(call_count) / (300.0 * buckets) as "rps", ...
 * // from "public"."service_call_5m" as "call" where "call"."tenant_id" = $1 and "call"."bucket" >= $2 and "call"."bucket" <= $3 group by 1, 2
 * // ... and what mirrorGraph does with it
 */
export async function refreshCallGraph(scope: Scope, options: RefreshCallGraphOptions = {}): Promise<MirrorCounts> {
  requireExtension(scope, 'age', 'refreshCallGraph', 'traverse callsDuring, which needs no graph')
  const { window, now, signal } = parse(refreshOptions, options, 'options')
  return mirrorGraph(scope, callsSince(scope, new Date(now.getTime() - milliseconds(window)), now), {
    attributes: ['rps', 'err_rate', 'p50_ms', 'p95_ms', 'first_seen', 'last_seen'],
    keep: ['first_seen'],
    signal,
  })
}

interface WindowCall {
  src: string
  dst: string
  rps: number
  err_rate: number | null
  p50_ms: number | null
  p95_ms: number | null
  first_seen: string
  last_seen: string
}

/**
 * The edges of the window. Sums are of integers or numerics, so that they do not depend on the order of the rows: with floats, two refreshes of
 * the same rows could differ in the last digit.
 *
 * Percentiles of several buckets are those of `exp_histogram_merge`, found for all edges at once (every key's count, the running sum, the key at
 * which it reaches the rank): the aggregate runs its final function once per edge, which took ten times as long on 37,000 edges. It is left
 * to the edges with a bucket that has no histogram, whose two percentiles come from different samples.
 */
function callsSince(scope: Scope, from: Date, to: Date) {
  const histogram = scope.id('exp_histogram')
  const merge = scope.id('exp_histogram_merge')
  const quantile = scope.id('exp_histogram_quantile')
  const time = (moment: 'first_seen' | 'last_seen') =>
    sql`to_char(edge.${sql.ref(moment)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
  const reaches = (q: number) => sql`upto >= greatest(1, ceil(${sql.lit(q)}::float8 * total::float8))`
  const calls = sql<WindowCall>`(
    with call as materialized (
      select
        bucket, src_resource_id as src, dst_resource_id as dst, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram,
        count(*) over edge as buckets,
        bool_or(histogram is null and p50_ms is distinct from p95_ms) over edge as patched
      from ${scope.id('service_call_5m')}
      where tenant_id = ${scope.tenantId}::int8 and bucket >= ${from} and bucket <= ${to}
      window edge as (partition by src_resource_id, dst_resource_id)
    ),
    edge as materialized (
      select
        src, dst, buckets, sum(call_count) as calls, sum(error_count) as errors, sum(rps::numeric) as rps, avg(err_rate::numeric) as err_rate,
        min(p50_ms) as p50_ms, min(p95_ms) as p95_ms, min(bucket) as first_seen, max(bucket) as last_seen
      from call
      group by src, dst, buckets
      having sum(call_count) > 0 or sum(rps) > 0
    ),
    sample as materialized (
      select src, dst, histogram, min(histogram[1]) over (partition by src, dst) as scale
      from (
        select src, dst, coalesce(histogram, ${histogram}(p95_ms, greatest(call_count, 1))) as histogram from call where buckets > 1 and not patched
      ) as whole
      where histogram is not null
    ),
    entry as (
      select
        src, dst, scale,
        sign(histogram[at])::int8 * (((abs(histogram[at]) - 1) >> (histogram[1] - scale)::int4) + 1) as key,
        sum(histogram[at + 1]) as count
      from sample
      cross join lateral generate_series(2, cardinality(histogram), 2) as at
      group by 1, 2, 3, 4
    ),
    ranked as (
      select
        src, dst, scale, key,
        sum(count) over (partition by src, dst order by key) as upto,
        sum(count) over (partition by src, dst) as total
      from entry
    ),
    merged as materialized (
      select src, dst, array[scale, min(key) filter (where ${reaches(0.5)}), 1] as p50, array[scale, min(key) filter (where ${reaches(0.95)}), 1] as p95
      from ranked
      group by src, dst, scale
      union all
      select
        src, dst,
        ${merge}(coalesce(histogram, ${histogram}(p50_ms, greatest(call_count, 1)))),
        ${merge}(coalesce(histogram, ${histogram}(p95_ms, greatest(call_count, 1))))
      from call
      where buckets > 1 and patched
      group by src, dst
    ),
    span as materialized (select count(distinct bucket) as buckets from call)
    select
      edge.src,
      edge.dst,
      case when edge.calls > 0 then (edge.calls / (300.0 * span.buckets))::float8 else (edge.rps / span.buckets)::float8 end as rps,
      case when edge.calls > 0 then (edge.errors / edge.calls)::float8 else edge.err_rate::float8 end as err_rate,
      case when edge.buckets = 1 then edge.p50_ms else ${quantile}(merged.p50, 0.5) end as p50_ms,
      case when edge.buckets = 1 then edge.p95_ms else ${quantile}(merged.p95, 0.95) end as p95_ms,
      ${time('first_seen')} as first_seen,
      ${time('last_seen')} as last_seen
    from edge
    cross join span
    left join merged on merged.src = edge.src and merged.dst = edge.dst
  )`
  return scope.db.selectFrom(calls.as('call')).selectAll('call').select('call.rps as weight')
}
