import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'

/**
 * The union of the sketches of several rows: an aggregate over `bytea`, for a select with or
 * without `group by`. Its bytes are those of `Hll.union`.
 *
 * Null where no row has a sketch. With the extension `hll` it runs in C, else by functions of ours,
 * which give the same bytes. Sketches of different parameters, and bytes that are no sketch, raise.
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
 * What the extension calls so. As text: an identifier would be renamed by a plugin of the Kysely
 * that a query is nested in.
 */
export const ofExtension = (schema: string) => (name: string) => sql.raw(`${quoteIdentifier(schema)}.${quoteIdentifier(name)}`)
