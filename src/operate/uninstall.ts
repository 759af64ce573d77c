import { sql, type Kysely } from 'kysely'
import { capabilities, knownExtensions } from '../database/capabilities.ts'
import type { Installation } from '../database/installation.ts'
import { installedSql } from './installedSql.ts'

/** The statements that drop the graphs of our tenants and what `sql/` installed: all of it is ours by name and schema. */
export async function uninstall(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const graphs = await dropGraphs(db, installation)
  return [...graphs, ...(await dropInstalled(db, installation))]
}

async function dropGraphs(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const { extensions, superuser } = await capabilities(db)
  if (extensions.age.installed === null) return []
  // A graph's schema has its name; AGE's own list of graphs may be closed to this role.
  const { rows } = await sql<{ statement: string }>`
    select format('select ag_catalog.drop_graph(%L, true)', namespace.nspname) as statement
    from pg_catalog.pg_namespace as namespace
    where namespace.nspname in (select ${installation.graphPrefix}::text || '_' || tenant_id from ${sql.id(installation.schema, 'dim_tenant')})
    order by namespace.nspname
  `.execute(db)
  if (rows.length === 0) return []
  return [
    // Only a superuser may; for others the server must preload the library, or a function of it loads it.
    ...(superuser ? [`load 'age'`] : []),
    `select set_config('search_path', concat_ws(', ', 'ag_catalog', nullif(current_setting('search_path'), '')), true)`,
    ...rows.map((row) => row.statement),
  ]
}

async function dropInstalled(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const text = (await installedSql(installation.schema, new Set(knownExtensions))).join('\n')
  const names = (kind: string) =>
    [...text.matchAll(new RegExp(`create (?:or replace )?${kind} "(?:[^"]|"")*"\\.(\\w+)`, 'gi'))].map((match) => match[1]!)
  const { rows } = await sql<{ statement: string }>`
    select format('drop %s if exists %s cascade', case routine.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end, routine.oid::regprocedure) as statement
    from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as namespace on namespace.oid = routine.pronamespace
    where namespace.nspname = ${installation.schema}
      and routine.proname = any(${[...names('function'), ...names('procedure'), ...names('aggregate')]}::text[])
    union all
    select format('drop domain if exists %s cascade', type.oid::regtype)
    from pg_catalog.pg_type as type
    join pg_catalog.pg_namespace as namespace on namespace.oid = type.typnamespace
    where namespace.nspname = ${installation.schema} and type.typname = any(${names('domain')}::text[])
  `.execute(db)
  return rows.map((row) => row.statement)
}
