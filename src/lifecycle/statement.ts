import { CompiledQuery, type Kysely } from 'kysely'

/**
 * Executes a statement as text, `$1` and on being its parameters: what is made of the definitions
 * of tables is text.
 */
export const execute = <Row = unknown>(db: Kysely<{}>, statement: string, parameters: readonly unknown[] = []) =>
  db.executeQuery<Row>(CompiledQuery.raw(statement, [...parameters]))

/**
 * Buckets that JavaScript and PostgreSQL can both write as dates: none of the ends of time, and no
 * year that needs more than four digits.
 */
export const datable = `bucket >= '0002-01-01 00:00:00+00' and bucket < '9999-01-01 00:00:00+00'`

/** From a moment until before another. */
export interface Stretch {
  readonly from: Date
  readonly to: Date
}
