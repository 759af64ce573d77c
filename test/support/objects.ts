import { sql, type Kysely } from 'kysely'

/**
 * The names of everything in the database that is not PostgreSQL's own: schemas, relations, functions, types, constraints, extensions with versions,
 * and AGE's graphs. Two equal lists mean that nothing was left behind.
 */
export async function objects(db: Kysely<{}>): Promise<string[]> {
  const { rows } = await sql<{ object: string }>`
    with place as (
      select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', '_timescaledb_cache')
    )
    select 'schema ' || nspname as object from place
    union all select 'relation ' || relkind::text || ' ' || nspname || '.' || relname from pg_class join place on place.oid = relnamespace
    union all select 'function ' || pg_proc.oid::regprocedure from pg_proc join place on place.oid = pronamespace
    union all select 'type ' || nspname || '.' || typname from pg_type join place on place.oid = typnamespace
    union all select 'constraint ' || nspname || '.' || conname from pg_constraint join place on place.oid = connamespace
    union all select 'extension ' || extname || ' ' || extversion from pg_extension
    order by 1
  `.execute(db)
  return rows.map((row) => row.object)
}
