import { sql, type Kysely } from 'kysely'
import { qualified } from '../../database/installation/installation.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { execute } from '../../lifecycle/statement.ts'

/** The schema of replaced tables that wait to be dropped. */
export const outgrown = 'pgvantage_outgrown'

/**
 * Drops the replaced tables. Not in the transaction that replaced them: dropping a foreign key
 * locks the referenced table against readers, which could deadlock with a reader that waits for us.
 */
export async function dropOutgrown(connection: Kysely<{}>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select class.relname::text as name
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${outgrown} and class.relkind = 'p'
    order by 1
  `.execute(connection)
  for (const { name } of rows) await execute(connection, `drop table ${qualified({ schema: outgrown }, name)}`)
  await execute(connection, `drop schema if exists ${quoteIdentifier(outgrown)}`)
}
