import { sql, type Kysely } from 'kysely'

/**
 * Lets inserts into a table fail as if the disk were full, where a condition is true of the `new`
 * row: it is not the row's fault.
 */
export async function fillDisk(db: Kysely<{}>, table: string, condition: string): Promise<void> {
  await sql`create function public.fill_disk() returns trigger language plpgsql as ${sql.lit(
    `begin raise exception 'the disk is full' using errcode = 'disk_full'; end`,
  )}`.execute(db)
  await sql`create trigger fill_disk before insert on ${sql.id(table)} for each row when (${sql.raw(condition)})
    execute function public.fill_disk()`.execute(db)
}
