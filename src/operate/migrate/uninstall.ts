import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { installedNames } from '../installedSql.ts'
import { migrationTable } from './planUp.ts'

/**
 * The functions of `sql/` that dropping a graph needs: the function itself, its lock, and the one
 * whose right to be called shows who owns the graph.
 */
const forGraphs: readonly string[] = ['call_graph_drop', 'graph_prepare', 'graph_turn']

/**
 * The statements that drop our tenants' graphs, the objects of `sql/` and the record of migrations:
 * all of them are ours by name and schema.
 *
 * They are composed while the tables exist, and run after these are dropped. The graphs come last,
 * in one statement: it loads AGE, and after that AGE before 1.7 can lose its cache when the server
 * invalidates a table for this connection (see `explainAgeCache`).
 */
export async function uninstall(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const installed = await dropInstalled(db, installation)
  return [
    ...installed.filter(({ name }) => !forGraphs.includes(name)).map(({ statement }) => statement),
    `drop table ${qualified(installation, migrationTable)}`,
    ...(await dropGraphs(db, installation)),
    ...installed.filter(({ name }) => forGraphs.includes(name)).map(({ statement }) => statement),
  ]
}

async function dropGraphs(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const drop = qualified(installation, 'call_graph_drop')
  const { rows } = await sql<{ statement: string }>`
    select format(
      'select %s(graph) from unnest(%L::text[]) as graph',
      ${drop}::text,
      array_agg(namespace.nspname order by namespace.nspname)
    ) as statement
    from pg_catalog.pg_namespace as namespace
    where to_regprocedure(${`${drop}(text)`}) is not null
      and namespace.nspname in (select ${installation.graphPrefix}::text || '_' || tenant_id from ${sql.id(installation.schema, 'dim_tenant')})
    having count(*) > 0
  `.execute(db)
  return rows.map((row) => row.statement)
}

async function dropInstalled(db: Kysely<{}>, installation: Installation): Promise<{ name: string; statement: string }[]> {
  const { rows } = await sql<{ name: string; statement: string }>`
    select routine.proname::text as name,
      format('drop %s if exists %s cascade', case routine.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end, routine.oid::regprocedure) as statement
    from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as namespace on namespace.oid = routine.pronamespace
    where namespace.nspname = ${installation.schema}
      and routine.proname = any(${await installedNames('function', 'procedure', 'aggregate')}::text[])
    union all
    select type.typname::text, format('drop domain if exists %s cascade', type.oid::regtype)
    from pg_catalog.pg_type as type
    join pg_catalog.pg_namespace as namespace on namespace.oid = type.typnamespace
    where namespace.nspname = ${installation.schema} and type.typname = any(${await installedNames('domain')}::text[])
  `.execute(db)
  return rows
}
