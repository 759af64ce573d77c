import { sql, type Expression, type RawBuilder } from 'kysely'

/**
 * Text in the order of its bytes: the same on every server and in every database, and fast.
 * Comparing by a language's rules can cost more than the rest of a read.
 *
 * The column itself keeps its collation, so it can be compared with any other.
 *
 * @param text a column, or an expression.
 * @example
 * .orderBy(byBytes('callee.urn'))
 * // order by ("callee"."urn") collate "C"
 */
export const byBytes = (text: string | Expression<string>): RawBuilder<string> =>
  sql<string>`(${typeof text === 'string' ? sql.ref(text) : text}) collate "C"`
