import { sql, type Expression, type RawBuilder } from 'kysely'

/**
 * Text in the order of its bytes: the same on every server and in every database, and as fast as
 * comparing bytes. Comparing by a language's rules can cost more than all the rest of a read.
 *
 * The column itself keeps its collation, so that it can be compared with any other.
 *
 * @example
 * .orderBy(byBytes(sql.ref('callee.urn')))
 * // order by ("callee"."urn") collate "C"
 */
export const byBytes = (text: Expression<string>): RawBuilder<string> => sql<string>`(${text}) collate "C"`
