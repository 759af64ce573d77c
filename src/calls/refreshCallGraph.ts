import { z } from 'zod'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { requireExtension, type Scope } from '../database/scope.ts'
import { mirrorGraph, type MirrorCounts } from '../graph/mirrorGraph.ts'
import { parseOptions } from '../schema/parse.ts'
import { callsOfWindow, callWindow, edgeProperties, type CallWindow } from './callsOfWindow.ts'

export interface RefreshCallGraphOptions extends CallWindow {
  /** Aborts before the next statement; the graph stays unchanged. */
  signal?: AbortSignal
}

const refreshOptions = callWindow.extend({ signal: z.instanceof(AbortSignal).optional() })

/**
 * Writes the active calls into the tenant's AGE graph: those of `service_call_5m` with a call in
 * the window, as
 * `(:Resource {tenant_id, resource_id, urn, type, name})-[:CALLS {rps, err_rate, p50_ms, p95_ms, first_seen, last_seen}]->(:Resource)`.
 *
 * | property | |
 * |---|---|
 * | `rps` | the edge's calls divided by the seconds of the buckets that the tenant has in the window |
 * | `err_rate` | errors divided by calls |
 * | `p50_ms`, `p95_ms` | as stored if the edge has one bucket, otherwise from the merged histograms (relative error at most 1.083 %); a bucket without a histogram counts as that many calls of its own percentile |
 * | `first_seen`, `last_seen` | beginnings of buckets, as ISO 8601 text in UTC; `first_seen` is the earliest that any refresh saw while the edge stayed in the graph |
 *
 * A value that was not measured is not written.
 *
 * Readers see the graph before or after, never in between. Edges that left the window are removed.
 * A second run changes nothing, and two runs at once are safe; no tenant waits for another. See
 * {@link mirrorGraph}. `verifyCallGraph` checks whether graph and source agree.
 *
 * @returns the numbers of added, changed and removed vertices and edges.
 * @throws MissingCapabilityError without Apache AGE; use `callsDuring` there.
 * @throws InvalidInputError if `window` is not an interval or `now` not a date, or if the scope was
 * made from a REPEATABLE READ or SERIALIZABLE transaction.
 * @throws NotFoundError if the tenant was deleted after the scope was made.
 * @example
 * await refreshCallGraph(scope, { window: '10 minutes' })
 * // { vertices: { added: 8, changed: 0, removed: 0 }, edges: { added: 11, changed: 0, removed: 0 }
 * //   }
 *
 * // with ..., call as (
 * //   select src_resource_id as src, dst_resource_id as dst, sum(call_count::float8) as calls, ...
 * //   from "public"."service_call_5m" where tenant_id = $1::int8 and bucket >= $2::timestamptz and
 * //     bucket <= $3::timestamptz group by 1, 2 ...
 * // ) select edge.src, edge.dst, ... edge.calls / last.seconds ... as rps, ...
 * // ... and what mirrorGraph does with it
 */
export async function refreshCallGraph(scope: Scope, options: RefreshCallGraphOptions = {}): Promise<MirrorCounts> {
  requireExtension(scope, 'age', 'refreshCallGraph', 'traverse callsDuring, which needs no graph')
  const { window, now, signal } = parseOptions(refreshOptions, options)
  await assertReadCommitted(scope.db, 'refreshCallGraph')
  return mirrorGraph(scope, callsOfWindow(scope, { window, now }), { attributes: edgeProperties, keepEarliest: ['first_seen'], signal })
}
