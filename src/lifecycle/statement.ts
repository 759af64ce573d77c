import { CompiledQuery, sql, type Kysely, type RawBuilder } from 'kysely'

/**
 * Executes a statement that is text, because a plan may print it or it takes no parameters:
 * definitions of tables, locks, savepoints. Queries are templates.
 */
export const execute = (db: Kysely<{}>, statement: string) => db.executeQuery(CompiledQuery.raw(statement))

/**
 * Buckets that JavaScript and PostgreSQL can both write as dates: no infinite times, and no year
 * with more than four digits.
 */
export const datable = sql<boolean>`bucket >= '0002-01-01 00:00:00+00' and bucket < '9999-01-01 00:00:00+00'`

/** From a time until before another one. */
export interface Stretch {
  readonly from: Date
  readonly to: Date
}

/** Whether the column `bucket` lies in a stretch. */
export const beginsWithin = ({ from, to }: Stretch): RawBuilder<boolean> =>
  sql<boolean>`bucket >= ${from.toISOString()} and bucket < ${to.toISOString()}`
