import { sql, type Kysely } from 'kysely'
import { generate, PostgresDialect } from 'kysely-codegen'

/**
 * The text of src/schema/tables.ts, from a migrated embedded database: it has the same tables on every server. Nothing else can be read from the
 * database afterwards.
 *
 * Left out are partitions, and what only pgvantage's upkeep reads and writes.
 */
export async function tablesOf(db: Kysely<{}>): Promise<string> {
  await viewsAsTables(db)
  return generate({
    db,
    dialect: new PostgresDialect(),
    outFile: null,
    partitions: false,
    includePattern: 'public.*',
    excludePattern: 'public.{*_p[0-9]*,*_default,pgvantage_failure,pgvantage_policy,pgvantage_stale_bucket,pgvantage_time_table}',
    typeOnlyImports: true,
  })
}

/**
 * Puts the table in which a rollup's rows are stored in the place of its view: PostgreSQL takes every column of a view for one that can be null.
 * A sum can be null for PostgreSQL too, but not one over a column that is not.
 */
async function viewsAsTables(db: Kysely<{}>): Promise<void> {
  const { rows } = await sql<{ view: string; counted: string[] }>`
    select class.relname::text as view, array(
      select attribute.attname::text from pg_attribute as attribute
      where attribute.attrelid = class.oid
        and attribute.attname in ('sample_count', 'avg_weight', 'call_count', 'error_count', 'count_total', 'count_error', 'kind')
    ) as counted
    from pg_class as class
    where class.relnamespace = 'public'::regnamespace and class.relkind = 'v' and to_regclass(class.relname || '_stored') is not null
  `.execute(db)
  for (const { view } of rows) await sql`drop view if exists ${sql.id(view)} cascade`.execute(db)
  for (const { view, counted } of rows) {
    await sql`alter table ${sql.id(`${view}_stored`)} rename to ${sql.id(view)}`.execute(db)
    for (const column of counted) await sql`alter table ${sql.id(view)} alter column ${sql.id(column)} set not null`.execute(db)
  }
}
