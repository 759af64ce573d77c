import { sql, type Kysely } from 'kysely'
import type { Installation } from '../database/installation.ts'
import { manifest } from './manifest.ts'

/** What the current role may not do with our schema and tables; the installation's own two tables need only be read. */
export async function missingRights(db: Kysely<{}>, { schema }: Installation): Promise<{ right: string; on: string }[]> {
  const own = ['pgvantage_installation', 'pgvantage_migration']
  const { rows } = await sql<{ right: string; on: string }>`
    select 'usage' as "right", 'schema ' || quote_ident(nspname) as "on"
    from pg_catalog.pg_namespace
    where nspname = ${schema} and not has_schema_privilege(oid, 'usage')
    union all
    select wanted.privilege, class.relname::text
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join unnest(array['select', 'insert', 'update', 'delete']) as wanted (privilege)
    where namespace.nspname = ${schema}
      and class.relname = any(${Object.keys(manifest.tables)}::text[])
      and (wanted.privilege = 'select' or class.relname <> all(${own}::text[]))
      and not has_table_privilege(class.oid, wanted.privilege)
    order by 2, 1
  `.execute(db)
  return rows
}
