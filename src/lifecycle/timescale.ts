import type { Kysely } from 'kysely'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import { MissingCapabilityError } from '../schema/errors.ts'
import { execute } from './statement.ts'

/** One of TimescaleDB's own functions as SQL names it, wherever the extension was put. */
export async function timescale(db: Kysely<{}>, name: string): Promise<string> {
  const { rows } = await execute<{ schema: string }>(
    db,
    `select namespace.nspname::text as schema
from pg_catalog.pg_extension as extension
join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
where extension.extname = 'timescaledb'`,
  )
  const [place] = rows
  if (place === undefined) {
    throw new MissingCapabilityError(
      `${name} needs the extension timescaledb, which the tables were made with and this database no longer has: restore the database with it`,
    )
  }
  return `${quoteIdentifier(place.schema)}.${name}`
}
