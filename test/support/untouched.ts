import { isDeepStrictEqual } from 'node:util'
import { sql, type Kysely } from 'kysely'
import { objects } from './objects.ts'

/** What a migrated database is like before a test has touched it. */
export interface Untouched {
  /** The rows of each table as JSON, TimescaleDB's own among them. */
  contents: ReadonlyMap<string, string>
  /** The settings that are not what a new session has. */
  settings: ReadonlyMap<string, string>
  catalog: readonly [unknown, readonly string[]]
}

export async function look(db: Kysely<{}>): Promise<Untouched> {
  return { contents: await contents(db), settings: await settings(db), catalog: await catalog(db) }
}

async function settings(db: Kysely<{}>): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; setting: string }>`
    select name, setting from pg_settings where source in ('session', 'database', 'user') and name not like 'transaction%'
  `.execute(db)
  return new Map(rows.map(({ name, setting }) => [name, setting]))
}

/** What TimescaleDB notes of the writes that its aggregates have yet to see. */
const notes = /^_timescaledb_catalog\.continuous_aggs_(?:\w+_invalidation_log|invalidation_threshold|watermark)$/

/** What each table holds: ours, and those in which TimescaleDB keeps its hypertables, chunks, settings and jobs. */
async function contents(db: Kysely<{}>): Promise<Map<string, string>> {
  const { rows: tables } = await sql<{ name: string }>`
    select oid::regclass::text as name from pg_class
    where relkind in ('r', 'p') and not relispartition and (
      relnamespace = 'public'::regnamespace
      or relnamespace::regnamespace::text in ('_timescaledb_catalog', '_timescaledb_config')
      or relnamespace::regnamespace::text = '_timescaledb_internal' and starts_with(relname, 'bgw_')
    ) order by 1
  `.execute(db)
  const each = tables.map(
    ({ name }) => sql`
      select ${sql.lit(name)} as name, coalesce(jsonb_agg(to_jsonb(it) order by to_jsonb(it)), '[]')::text as rows from ${sql.raw(name)} as it
    `,
  )
  const { rows } = await sql<{ name: string; rows: string }>`${sql.join(each, sql` union all `)}`.execute(db)
  return new Map(rows.map(({ name, rows }) => [name, rows]))
}

/** Names of everything, and what functions, columns and rights say. */
async function catalog(db: Kysely<{}>): Promise<[unknown, string[]]> {
  const { rows } = await sql`
    select
      (select md5(string_agg(row (attrelid, attname, atttypid, attnotnull, attacl)::text, ';' order by attrelid, attnum)) from pg_attribute where attrelid >= 16384) as columns,
      (select md5(string_agg(row (oid, prosrc, proconfig, proacl)::text, ';' order by oid)) from pg_proc where oid >= 16384) as functions,
      (select md5(string_agg(row (oid, relacl, reloptions, relowner)::text, ';' order by oid)) from pg_class where oid >= 16384) as relations,
      (select md5(string_agg(row (oid, tgenabled)::text, ';' order by oid)) from pg_trigger) as triggers,
      (select md5(string_agg(row (oid, rolname)::text, ';' order by oid)) from pg_authid) as roles,
      (select count(*)::int4 from pg_db_role_setting) as kept_settings,
      (select count(*)::int4 from pg_statistic where starelid >= 16384) as statistics
  `.execute(db)
  return [rows, await objects(db)]
}

/** Whether it could be put back as it was. */
export async function putBack(db: Kysely<{}>, untouched: Untouched): Promise<boolean> {
  const {
    contents: wanted,
    settings: set,
    catalog: [, objectsBefore],
  } = untouched
  await sql`rollback`.execute(db)
  for (const [name, setting] of await settings(db)) {
    const before = set.get(name)
    if (before === undefined) await sql`reset ${sql.raw(name)}`.execute(db)
    else if (before !== setting) await sql`select set_config(${name}, ${before}, false)`.execute(db)
  }
  const known = new Set(objectsBefore)
  const left = (await objects(db)).filter((object) => !known.has(object))
  if (known.has('schema ag_catalog') && left.some((object) => object.startsWith('schema '))) await dropGraphs(db, known)
  const empty = [...wanted].flatMap(([name, rows]) => (rows === '[]' && !name.startsWith('_timescaledb') ? [name] : []))
  for (const aggregate of await aggregates(db, wanted)) await sql`truncate ${sql.raw(aggregate)}`.execute(db)
  await sql`truncate ${sql.join(empty.map((name) => sql.raw(name)))} restart identity cascade`.execute(db)
  for (const [name, held] of await contents(db)) {
    const rows = wanted.get(name)
    if (rows === undefined || held === rows || (name.startsWith('_timescaledb') && !notes.test(name))) continue
    await sql`delete from ${sql.raw(name)}`.execute(db)
    await sql`insert into ${sql.raw(name)} overriding system value select * from jsonb_populate_recordset(null::${sql.raw(name)}, ${rows}::jsonb)`.execute(
      db,
    )
  }
  await sql`delete from pg_statistic where starelid >= 16384`.execute(db)
  for (const object of left) {
    const table = /^relation [rp] (public|pgvantage\w*)\.(.+)$/.exec(object)
    if (table) await sql`drop table if exists ${sql.id(table[1]!, table[2]!)} cascade`.execute(db)
  }
  return isDeepStrictEqual(await look(db), untouched)
}

/** TimescaleDB's aggregates, which are emptied by themselves. */
async function aggregates(db: Kysely<{}>, contents: ReadonlyMap<string, string>): Promise<string[]> {
  if (!contents.has('_timescaledb_catalog.continuous_agg')) return []
  const { rows } = await sql<{ name: string }>`
    select format('%I.%I', user_view_schema, user_view_name) as name from _timescaledb_catalog.continuous_agg
  `.execute(db)
  return rows.map(({ name }) => name)
}

async function dropGraphs(db: Kysely<{}>, known: ReadonlySet<string>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name::text from ag_catalog.ag_graph where not 'schema ' || name = any (${[...known]}::text[])
  `.execute(db)
  for (const { name } of rows) await sql`select ag_catalog.drop_graph(${name}::name, true)`.execute(db)
}
