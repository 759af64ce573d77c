import { createQueryId, PostgresQueryCompiler, type RawBuilder } from 'kysely'

/**
 * An expression as text, for the few statements that take no parameters: what creates a view.
 *
 * @throws Error when something in it is a parameter.
 * @example
 * sqlText(sql`sum(${sql.ref('call.call_count')})`)
 * // sum("call"."call_count")
 */
export function sqlText(expression: RawBuilder<unknown>): string {
  const { sql, parameters } = new PostgresQueryCompiler().compileQuery(expression.toOperationNode(), createQueryId())
  if (parameters.length > 0) throw new Error(`a statement without parameters cannot hold ${sql}`)
  return sql
}
