import { CompiledQuery, type Kysely } from 'kysely'

/** Executes a statement as text, `$1` and on being its parameters: what is made of the definitions of tables is text. */
export const execute = <Row = unknown>(db: Kysely<{}>, statement: string, parameters: readonly unknown[] = []) =>
  db.executeQuery<Row>(CompiledQuery.raw(statement, [...parameters]))

/** A change of tables, and what it left to be looked at. */
export interface Stretch {
  readonly from: Date
  readonly to: Date
}
