import { z } from 'zod'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { requireExtension, type Scope } from '../database/scope.ts'
import { mirrorGraph, type MirrorCounts } from '../graph/mirrorGraph.ts'
import { parseOptions } from '../schema/parse.ts'
import { callsOfWindow, callWindow, edgeProperties, type CallWindow } from './callsOfWindow.ts'

export interface RefreshCallGraphOptions extends CallWindow {
  /** Give up before the next statement; the graph stays as it was. */
  signal?: AbortSignal
}

const refreshOptions = callWindow.extend({ signal: z.instanceof(AbortSignal).optional() })

/**
 * Makes the tenant's AGE graph hold the calls that are active: those of `service_call_5m` with a
 * call in the window, as
 * `(:Resource {tenant_id, resource_id, urn, type, name})-[:CALLS {rps, err_rate, p50_ms, p95_ms, first_seen, last_seen}]->(:Resource)`.
 *
 * `rps` is the edge's calls divided by the seconds of the buckets that the tenant has in the
 * window; `err_rate` is errors over calls. The percentiles are those of the bucket where the edge
 * has one, else come from the merged histograms (relative error at most 1.083 %); a bucket without
 * a histogram counts as so many calls of its own p50 for `p50_ms`, and of its p95 for `p95_ms`.
 * `first_seen` and `last_seen` are the begins of buckets, as ISO 8601 text in UTC; `first_seen` is
 * the earliest that any refresh saw for as long as the edge stays in the graph. What nobody
 * measured is no property.
 *
 * Readers see the graph as it was or as it is; edges that left the window are gone; twice in a row
 * changes nothing; two at once are harmless, and no tenant waits for another. See
 * {@link mirrorGraph}. Whether graph and source agree is `verifyCallGraph`'s answer.
 *
 * @returns what was added, changed and removed.
 * @throws MissingCapabilityError without Apache AGE: `callsDuring` is the frame to work on there.
 * @throws InvalidInputError when `window` is no interval or `now` no date, or the scope was made
 * from a REPEATABLE READ or SERIALIZABLE transaction.
 * @throws NotFoundError when the tenant was deleted since the scope was made.
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
