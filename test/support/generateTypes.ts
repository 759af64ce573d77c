/**
 * Writes src/schema/tables.ts from the migrated schema; with --check only says whether it would differ, and exits 1 if so.
 * The schema is that of a fresh embedded PostgreSQL: it has the same tables on every server.
 *
 * Left out are partitions, and what only pgvantage's upkeep reads and writes.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { sql, type Kysely } from 'kysely'
import { generate, PostgresDialect } from 'kysely-codegen'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { migrateUp } from '../../src/operate/migrate/migrate.ts'

const file = new URL('../../src/schema/tables.ts', import.meta.url)

const { db, close } = await openEmbedded()
await migrateUp(db)
await viewsAsTables(db)
const generated = await generate({
  db,
  dialect: new PostgresDialect(),
  outFile: null,
  partitions: false,
  includePattern: 'public.*',
  excludePattern: 'public.{*_p[0-9]*,*_default,pgvantage_failure,pgvantage_policy,pgvantage_stale_bucket,pgvantage_time_table}',
  typeOnlyImports: true,
})
await close()

if (process.argv.includes('--check')) {
  if ((await readFile(file, 'utf8')) !== generated) {
    console.error('src/schema/tables.ts does not match the migrated schema: run `npm run generate`')
    process.exit(1)
  }
  console.log('src/schema/tables.ts matches the migrated schema')
} else {
  await writeFile(file, generated)
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
