import { sql } from 'kysely'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import { finished, type Finished } from '../database/finished.ts'
import { requireExtension, type Scope } from '../database/scope.ts'

export interface ActiveCall {
  src: string
  dst: string
  /** Calls per second: equal to `rps`. */
  weight: number
  rps: number
  /** 0..1. */
  err_rate: number | null
  p50_ms: number | null
  p95_ms: number | null
  /** The first bucket with the call active, as long as no refresh in between found it inactive. */
  first_seen: Date
  /** The last bucket with the call active. */
  last_seen: Date
}

/**
 * The calls between resources as the last `refreshCallGraph` left them in the tenant's AGE graph:
 * an edge frame.
 *
 * - It selects from the graph's own table and needs no `LOAD` and no `search_path`. Columns that
 *   you do not use are not decoded. A condition or a join on `src` or `dst` uses an index.
 * - A scope made before the tenant's first refresh does not know that table. It reads by an
 *   installed function instead: the same rows, but slower, and no rows until there is a graph.
 * - After `deleteTenant`, a scope made before fails, because the table no longer exists.
 * - For any other time, or without AGE, use {@link callsDuring}.
 *
 * @throws MissingCapabilityError without Apache AGE.
 * @example
 * await activeCalls(scope).where('err_rate', '>', 0.05).execute()
 *
 * // select "call".* from (
 * //   select call.start_id::text::int8 & 281474976710655 as "src", call.end_id::text::int8 &
 * //     281474976710655 as "dst",
 * //     ag_catalog.agtype_to_float8(ag_catalog.agtype_object_field(call.properties, 'rps')) as
 * //       "weight", ...,
 * //     ag_catalog.agtype_object_field_text(call.properties, 'err_rate')::float8 as "err_rate",
 * //       ...
 * //   from "ops_1"."CALLS" as "call"
 * // ) as "call" where "err_rate" > $1
 */
export function activeCalls(scope: Scope): Finished<ActiveCall, 'call'> {
  requireExtension(scope, 'age', 'activeCalls', 'callsDuring gives the calls of the last 10 minutes as the same kind of frame')
  const edges = scope.graphMade ? labelTable(scope) : installedFunction(scope)
  return finished(scope, edges, 'call')
}

/**
 * Expressions over the columns of the label's table, so that the planner works on the table itself.
 * The ends are written as in its indexes.
 */
function labelTable(scope: Scope) {
  const resource = (vertex: 'start_id' | 'end_id') => sql<string>`${sql.ref(`call.${vertex}`)}::text::int8 & 281474976710655`
  const text = (property: string) => sql`ag_catalog.agtype_object_field_text(call.properties, ${sql.lit(property)})`
  const number = (property: string) => sql<number | null>`${text(property)}::float8`
  const time = (property: string) => sql<Date>`${text(property)}::timestamptz`
  // Half the cost of the conversion through text, which would be needed only for a null written as
  // a property. AGE writes none, and neither do we any more.
  const rps = sql<number>`ag_catalog.agtype_to_float8(ag_catalog.agtype_object_field(call.properties, 'rps'))`
  // As text, because a plugin of the Kysely that this is nested in may rename identifiers, and this
  // label's name is fixed.
  const label = sql.raw<{}>(`${quoteIdentifier(scope.graphName)}."CALLS"`)
  return scope.db
    .selectFrom(label.as('call'))
    .select([
      resource('start_id').as('src'),
      resource('end_id').as('dst'),
      rps.as('weight'),
      rps.as('rps'),
      number('err_rate').as('err_rate'),
      number('p50_ms').as('p50_ms'),
      number('p95_ms').as('p95_ms'),
      time('first_seen').as('first_seen'),
      time('last_seen').as('last_seen'),
    ])
}

function installedFunction(scope: Scope) {
  return scope.db
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
}
