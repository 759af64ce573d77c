import { sql, type Kysely } from 'kysely'
import { qualified } from '../../database/installation/installation.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { execute } from '../../lifecycle/statement.ts'

/** Where tables wait to be dropped whose rows have moved. */
export const outgrown = 'pgvantage_outgrown'

/**
 * Drops the tables whose rows have moved. Not in the transaction that moved them: dropping a
 * foreign key locks the table it refers to against readers, and one that waits for us would never
 * get what we wait for.
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
