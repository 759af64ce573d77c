import type { AliasableExpression, SelectQueryBuilder } from 'kysely'
import type { Scope } from './scope.ts'

/** A query with rows of one type, under one alias. */
export type Finished<Row, Alias extends string> = SelectQueryBuilder<{ [Name in Alias]: Row }, Alias, Row>

/**
 * An outer select over finished rows. A `where` on it filters answers, never the inputs of an
 * aggregate or window function. Only the rows' own columns are in scope, so the tenant filter
 * cannot be changed.
 *
 * @example
 * finished(scope, scope.db.selectFrom(...).groupBy('callee.urn').select([...]), 'dependency')
 * // select "dependency".* from (select ... group by "callee"."urn") as "dependency"
 */
export function finished<Row, Alias extends string>(scope: Scope, rows: AliasableExpression<Row>, alias: Alias): Finished<Row, Alias> {
  const query = scope.db.selectFrom(rows.as(alias)).selectAll(alias as never)
  // With an alias that is a type parameter, Kysely's own types become an unusable union.
  return query as unknown as Finished<Row, Alias>
}
