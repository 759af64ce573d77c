import { isDeepStrictEqual } from 'node:util'
import { sql, type Kysely } from 'kysely'
import { objects } from './objects.ts'

/** What a migrated database is like before a test has touched it. */
export interface Untouched {
  tables: readonly string[]
  contents: ReadonlyMap<string, unknown>
  catalog: unknown
}

export async function look(db: Kysely<{}>): Promise<Untouched> {
  const { rows: tables } = await sql<{ name: string }>`
    select oid::regclass::text as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1
  `.execute(db)
  const contents = new Map<string, unknown>()
  for (const { name } of tables) contents.set(name, await content(db, name))
  return { tables: tables.map(({ name }) => name), contents, catalog: await catalog(db) }
}

async function content(db: Kysely<{}>, table: string): Promise<unknown> {
  const { rows } = await sql<{ rows: unknown }>`
    select coalesce(jsonb_agg(to_jsonb(it) order by to_jsonb(it)), '[]') as rows from ${sql.raw(table)} as it
  `.execute(db)
  return rows[0]!.rows
}

/** Names of everything, and what functions, columns, rights and settings say. */
async function catalog(db: Kysely<{}>): Promise<unknown> {
  const { rows } = await sql`
    select
      (select md5(string_agg(row (attrelid, attname, atttypid, attnotnull, attacl)::text, ';' order by attrelid, attnum)) from pg_attribute where attrelid >= 16384) as columns,
      (select md5(string_agg(row (oid, prosrc, proconfig, proacl)::text, ';' order by oid)) from pg_proc where oid >= 16384) as functions,
      (select md5(string_agg(row (oid, relacl, reloptions, relowner)::text, ';' order by oid)) from pg_class where oid >= 16384) as relations,
      (select md5(string_agg(row (oid, tgenabled)::text, ';' order by oid)) from pg_trigger) as triggers,
      (select md5(string_agg(row (oid, rolname)::text, ';' order by oid)) from pg_authid) as roles,
      (select md5(string_agg(name || setting, ';' order by name)) from pg_settings where source in ('session', 'database', 'user') and name not like 'transaction%') as settings,
      (select count(*)::int4 from pg_db_role_setting) as kept_settings
  `.execute(db)
  return [rows, await objects(db)]
}

/** Whether it could be put back as it was. */
export async function putBack(db: Kysely<{}>, { tables, contents, catalog: before }: Untouched): Promise<boolean> {
  await sql`rollback`.execute(db)
  await sql`truncate ${sql.join(tables.filter((name) => isDeepStrictEqual(contents.get(name), [])).map((name) => sql.raw(name)))} restart identity cascade`.execute(
    db,
  )
  for (const name of tables) {
    const wanted = contents.get(name)
    if (isDeepStrictEqual(await content(db, name), wanted)) continue
    await sql`delete from ${sql.raw(name)}`.execute(db)
    await sql`insert into ${sql.raw(name)} overriding system value select * from jsonb_populate_recordset(null::${sql.raw(name)}, ${JSON.stringify(wanted)}::jsonb)`.execute(
      db,
    )
  }
  const known = new Set((before as [unknown, string[]])[1])
  for (const object of await objects(db)) {
    const table = /^relation [rp] (public|pgvantage\w*)\.(.+)$/.exec(object)
    if (table && !known.has(object)) await sql`drop table if exists ${sql.id(table[1]!, table[2]!)} cascade`.execute(db)
  }
  return isDeepStrictEqual(await catalog(db), before)
}
