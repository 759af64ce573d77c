import { sql, type Simplify } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import type { Frame } from '../database/sql/frame.ts'
import { parseOptions } from '../schema/parse.ts'

const column = z.string().min(1)
const rankByOptions = z.strictObject({ item: column, score: column })

/**
 * Makes a ranking frame from any query: all its columns, plus `item` and `score`, taken from two of
 * them.
 *
 * - `score` is cast to float8, so counts and numerics can be ranked too.
 * - The query may be your own, on another database type. It is nested, so its joins and filters
 *   stay, and the scope's connection runs it.
 * - If the query has an `item` or `score` column of its own, select other columns first: the new
 *   columns would replace them in the rows, and PostgreSQL refuses `topK` of it (ambiguous).
 *
 * @param columns names of the query's columns: `item` is what identifies the items (text or a
 * number), `score` a number, where higher is better.
 * @throws InvalidInputError if a name is empty or not text.
 * @example
 * const slow = rankBy(scope, callSummary(scope, { from: checkout, range }), { item: 'dst_urn', score: 'p95_ms' })
 * await topK(scope, slow, 3).execute()
 *
 * // select "ranking".* from (
 * //   select "row".*, "row"."dst_urn" as "item", "row"."p95_ms"::float8 as "score" from (select
 * //     ...) as "row"
 * // ) as "ranking"
 */
export function rankBy<Row, Item extends keyof Row & string>(
  scope: Scope,
  query: Frame<Row>,
  columns: { item: Item; score: NumericColumn<Row> },
): Finished<RankedRow<Row, Item>, 'ranking'> {
  const { item, score } = parseOptions(rankByOptions, columns)
  const ranking = scope.db
    .selectFrom(query.as('row'))
    .selectAll('row')
    .select([sql<Row[Item]>`${sql.id('row', item)}`.as('item'), sql<number | null>`${sql.id('row', score)}::float8`.as('score')])
  return finished(scope, sql<RankedRow<Row, Item>>`${ranking}`, 'ranking')
}

/** The columns that can be ranked by: numbers, and integers that arrive as strings. */
type NumericColumn<Row> = { [Name in keyof Row & string]: Row[Name] extends number | string | null ? Name : never }[keyof Row & string]

/** A row of a query that is ranked by two of its columns. */
export type RankedRow<Row, Item extends keyof Row & string> = Simplify<Row & { item: Row[Item]; score: number | null }>
