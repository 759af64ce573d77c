import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'

/**
 * The union of the sketches of several rows: an aggregate over `bytea`, for a select with or
 * without `group by`. Its bytes equal those of `Hll.union`.
 *
 * Null if no row has a sketch. It runs in C if the database has the extension `hll`, and otherwise
 * in functions of pgvantage with the same bytes. Sketches with different parameters, and bytes that
 * are not a sketch, are an error.
 *
 * @example
 * db.selectFrom('visits').groupBy('day').select(({ ref }) => ['day', hllUnion(scope, ref('users')).as('users')])
 *
 * // with the extension: select "day", "public"."hll_send"("public"."hll_union_agg"("users"::"public"."hll")) as "users" ...
 * // without it: select "day", "public"."hyperloglog_merge"("users") as "users" ...
 */
export function hllUnion(scope: Scope, sketch: Expression<Uint8Array | null>): RawBuilder<Uint8Array | null> {
  if (scope.hllSchema === null) return sql`${scope.id('hyperloglog_merge')}(${sketch})`
  const theirs = ofExtension(scope.hllSchema)
  return sql`${theirs('hll_send')}(${theirs('hll_union_agg')}((${sketch})::${theirs('hll')}))`
}

/**
 * A name of the extension. As text, because a plugin of the Kysely that a query is nested in would
 * rename an identifier.
 */
export const ofExtension = (schema: string) => (name: string) => sql.raw(`${quoteIdentifier(schema)}.${quoteIdentifier(name)}`)
