import { sql, type Kysely } from 'kysely'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import { MissingCapabilityError } from '../schema/errors.ts'

/** Writes the name of a function of TimescaleDB for SQL, with the extension's schema. */
export type TimescaleFunction = (name: string) => string

/** Names TimescaleDB's functions; null without the extension. */
export async function timescaleFunctions(db: Kysely<{}>): Promise<TimescaleFunction | null> {
  const { rows } = await sql<{ schema: string }>`
    select namespace.nspname::text as schema
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'timescaledb'
  `.execute(db)
  const [place] = rows
  return place === undefined ? null : (name) => `${quoteIdentifier(place.schema)}.${name}`
}

/**
 * One of TimescaleDB's own functions for SQL.
 *
 * @throws MissingCapabilityError if the extension is gone.
 */
export async function timescale(db: Kysely<{}>, name: string): Promise<string> {
  const named = await timescaleFunctions(db)
  if (named === null) {
    throw new MissingCapabilityError(
      `${name} needs the extension timescaledb, which the tables were made with and this database no longer has: restore the database with it`,
    )
  }
  return named(name)
}
