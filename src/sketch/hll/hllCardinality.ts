import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { cardinalityOptions, type CardinalityOptions } from './hll.ts'
import { ofExtension } from './hllUnion.ts'

/**
 * The approximate number of distinct values in a sketch stored as `bytea`: the same number as
 * `Hll.cardinality`.
 *
 * Null for null and for an undefined sketch. The classic estimate runs in C if the database has the
 * extension `hll`; Ertl's estimate always runs in a function of pgvantage. Bytes that are not a
 * sketch are an error.
 *
 * For registers of more than 5 bits the extension may answer NaN where `Hll` and pgvantage's
 * function do not.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * db.selectFrom('visits').select(({ ref }) => hllCardinality(scope, hllUnion(scope, ref('users'))).as('distinct_users'))
 *
 * // without the extension: select "public"."hyperloglog_cardinality"("public"."hyperloglog_merge"("users")) as "distinct_users" ...
 */
export function hllCardinality(
  scope: Scope,
  sketch: Expression<Uint8Array | null>,
  options: CardinalityOptions = {},
): RawBuilder<number | null> {
  const { estimator } = parseOptions(cardinalityOptions, options)
  if (estimator === 'ertl') return sql`${scope.id('hyperloglog_ertl')}(${sketch})`
  if (scope.hllSchema === null) return sql`${scope.id('hyperloglog_cardinality')}(${sketch})`
  const theirs = ofExtension(scope.hllSchema)
  return sql`${theirs('hll_cardinality')}((${sketch})::${theirs('hll')})`
}
