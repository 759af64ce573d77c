import { sql } from 'kysely'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import { finished, type Finished } from '../database/finished.ts'
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
 * It selects from the graph's own table and needs nothing of the session: no `LOAD`, no
 * `search_path`. What is not asked for is not decoded, and a condition on `src` or `dst`, also that
 * of a join, finds its edges by an index. A scope made before the tenant's first refresh does not
 * know of that table: it reads by an installed function, which gives the same rows slower, and none
 * until there is a graph. After `deleteTenant` a scope made before fails, for there is no such
 * relation.
 *
 * The calls of any other time, and without AGE, are `callsDuring`'s.
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
 * The ends are written as its indexes are.
 */
function labelTable(scope: Scope) {
  const resource = (vertex: 'start_id' | 'end_id') => sql<string>`${sql.ref(`call.${vertex}`)}::text::int8 & 281474976710655`
  const text = (property: string) => sql`ag_catalog.agtype_object_field_text(call.properties, ${sql.lit(property)})`
  const number = (property: string) => sql<number | null>`${text(property)}::float8`
  const time = (property: string) => sql<Date>`${text(property)}::timestamptz`
  // Half the price of the way over text, which is the one that takes a null written as a property;
  // AGE writes none, nor do we any more.
  const rps = sql<number>`ag_catalog.agtype_to_float8(ag_catalog.agtype_object_field(call.properties, 'rps'))`
  // As text, because a plugin of the Kysely that this is nested in may make other names of names,
  // and the label's is not ours to choose.
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
