import { sql } from 'kysely'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { Frame } from '../database/sql/frame.ts'

/** How many different values there are. */
export interface DistinctCount {
  /** Null is not a value, so no rows count 0. */
  distinct_count: number
}

/**
 * How many different values `column` has in the rows of any query: one row. Exact.
 *
 * Being a query of one value it also stands where an expression does:
 * `.select(distinctCount(scope, frame, 'series').as('affected'))`. Inside a `group by` of your own,
 * Kysely's `fn.count('column').distinct()` is the same. It reads every row; approximate counts that
 * can be stored and merged are a matter of sketches.
 *
 * @param query any query: one of ours, or one of your own on another database type. One made
 * through a plugin that renames columns has, inside the statement, the names of the database:
 * `$castTo` its row to those.
 * @example
 * const affected = distinctCount(scope, anomalies(scope, latency), 'series')
 * const { distinct_count } = await affected.executeTakeFirstOrThrow()
 *
 * // select "answer".* from (
 * //   select pg_catalog.count(distinct "row"."series")::float8 as "distinct_count" from (select
 * //     ...) as "row"
 * // ) as "answer"
 */
export function distinctCount<Row>(scope: Scope, query: Frame<Row>, column: keyof Row & string): Finished<DistinctCount, 'answer'> {
  const answer = scope.db
    .selectFrom(query.as('row'))
    .select(sql<number>`pg_catalog.count(distinct ${sql.id('row', column)})::float8`.as('distinct_count'))
  return finished(scope, answer, 'answer')
}
