import type { AliasableExpression, SelectQueryBuilder } from 'kysely'
import type { Scope } from './scope.ts'

/** A query over rows of one shape, known by one name. */
export type Finished<Row, Alias extends string> = SelectQueryBuilder<{ [Name in Alias]: Row }, Alias, Row>

/**
 * An outer select over finished rows: narrowing it filters answers, never the inputs of an
 * aggregate or window, and nothing but the rows' own columns is in scope, the tenant filter least
 * of all.
 *
 * @example
 * finished(scope, scope.db.selectFrom(...).groupBy('callee.urn').select([...]), 'dependency')
 * // select "dependency".* from (select ... group by "callee"."urn") as "dependency"
 */
export function finished<Row, Alias extends string>(scope: Scope, rows: AliasableExpression<Row>, alias: Alias): Finished<Row, Alias> {
  const query = scope.db.selectFrom(rows.as(alias)).selectAll(alias as never)
  // For a name that is a type parameter Kysely's own types end in a union nobody can use.
  return query as unknown as Finished<Row, Alias>
}
