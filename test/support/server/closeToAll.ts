import { sql, type Kysely } from 'kysely'

/**
 * Lets nobody connect to a database any more, so that it can be copied: TimescaleDB's scheduler
 * connects to every database that has the extension.
 */
export async function closeToAll(admin: Kysely<{}>, name: string): Promise<void> {
  await sql`alter database ${sql.id(name)} with allow_connections false`.execute(admin)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(admin)
}
