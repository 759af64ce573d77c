import { createQueryId, PostgresQueryCompiler, type RawBuilder } from 'kysely'

/**
 * An expression as text, for the few statements without parameters, such as `create view`.
 *
 * @throws Error if it contains a parameter.
 * @example
 * sqlText(sql`sum(${sql.ref('call.call_count')})`)
 * // sum("call"."call_count")
 */
export function sqlText(expression: RawBuilder<unknown>): string {
  const { sql, parameters } = new PostgresQueryCompiler().compileQuery(expression.toOperationNode(), createQueryId())
  if (parameters.length > 0) throw new Error(`a statement without parameters cannot hold ${sql}`)
  return sql
}
