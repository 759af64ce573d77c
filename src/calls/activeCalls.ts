import { sql } from 'kysely'
import { requireExtension, type Scope } from '../database/scope.ts'

export interface ActiveCall {
  src: string
  dst: string
  /** Calls per second: `rps` again. */
  weight: number
  rps: number
  /** 0..1. */
  err_rate: number | null
  p50_ms: number | null
  p95_ms: number | null
  /** The first bucket in which the call was active, without a refresh since that found it gone. */
  first_seen: Date
  /** The last bucket in which it was active. */
  last_seen: Date
}

/**
 * Who calls whom, as the last `refreshCallGraph` left it in the tenant's AGE graph: an edge frame.
 *
 * It reads the graph by an installed function that needs nothing of the session: no `LOAD`, no `search_path`. A graph that was never refreshed
 * has no rows. The calls of any other time, and without AGE, are `callsDuring`'s.
 *
 * @throws MissingCapabilityError without Apache AGE.
 * @example
 * await activeCalls(scope).where('err_rate', '>', 0.05).execute()
 *
 * // select "call".* from (
 * //   select "call"."src", "call"."dst", "call"."rps" as "weight", ... from "public"."call_graph_edges"($1) as "call"
 * // ) as "call" where "err_rate" > $2
 */
export function activeCalls(scope: Scope) {
  requireExtension(scope, 'age', 'activeCalls', 'callsDuring gives the calls of the last 10 minutes as the same kind of frame')
  const edges = scope.db
    .selectFrom(sql<Omit<ActiveCall, 'weight'>>`${scope.id('call_graph_edges')}(${scope.graphName})`.as('call'))
    .select([
      'call.src',
      'call.dst',
      'call.rps as weight',
      'call.rps',
      'call.err_rate',
      'call.p50_ms',
      'call.p95_ms',
      'call.first_seen',
      'call.last_seen',
    ])
  return scope.db.selectFrom(edges.as('call')).selectAll('call')
}
