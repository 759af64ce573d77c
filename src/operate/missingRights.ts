import { sql, type Kysely } from 'kysely'
import type { Installation } from '../database/installation.ts'
import { manifest } from './manifest.ts'

/**
 * What the current role may not do with our schema, tables and views.
 *
 * The installation's own two tables and the rollups need only be read. What upkeep alone reads and writes is left to the tables' owner: views and
 * triggers reach it with the owner's rights.
 */
export async function missingRights(db: Kysely<{}>, { schema }: Installation): Promise<{ right: string; on: string }[]> {
  const read = ['pgvantage_installation', 'pgvantage_migration', ...Object.keys(manifest.views)]
  const relations = [...Object.keys(manifest.tables), ...Object.keys(manifest.views)].filter((name) => !ofUpkeep(name))
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
      and class.relname = any(${relations}::text[])
      and (wanted.privilege = 'select' or class.relname <> all(${read}::text[]))
      and not has_table_privilege(class.oid, wanted.privilege)
    order by 2, 1
  `.execute(db)
  return rows
}

const ofUpkeep = (name: string) =>
  name.endsWith('_stored') || ['pgvantage_failure', 'pgvantage_policy', 'pgvantage_stale_bucket', 'pgvantage_time_table'].includes(name)
