import { sql } from 'kysely'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { Frame } from '../database/sql/frame.ts'

/** The number of distinct values. */
export interface DistinctCount {
  /** Nulls are not counted; a query without rows has 0. */
  distinct_count: number
}

/**
 * The exact number of distinct values of `column` in the rows of any query: one row.
 *
 * A query of one value can also be an expression:
 * `.select(distinctCount(scope, frame, 'series').as('affected'))`. Inside a `group by` of your own,
 * Kysely's `fn.count('column').distinct()` is the same. It reads every row. For approximate counts
 * that can be stored and merged, use sketches.
 *
 * @param query any query of pgvantage or your own, on any database type. If a plugin renames its
 * columns, the statement still uses the names of the database: `$castTo` its row to those.
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
