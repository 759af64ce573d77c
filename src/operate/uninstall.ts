import { sql, type Kysely } from 'kysely'
import { knownExtensions } from '../database/capabilities.ts'
import { qualified, type Installation } from '../database/installation.ts'
import { installedSql } from './installedSql.ts'

/**
 * The statements that drop the graphs of our tenants and what `sql/` installed: all of it is ours by name and schema.
 *
 * They are asked for while the tables are there and run when they are gone: dropping a graph loads AGE, and AGE before 1.7 then looks at every table
 * that this connection drops, which is what breaks its cache (see `explainAgeCache`).
 */
export async function uninstall(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const graphs = await dropGraphs(db, installation)
  return [...graphs, ...(await dropInstalled(db, installation))]
}

async function dropGraphs(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const drop = qualified(installation, 'call_graph_drop')
  const { rows } = await sql<{ statement: string }>`
    select format('select %s(%L)', ${drop}::text, namespace.nspname) as statement
    from pg_catalog.pg_namespace as namespace
    where to_regprocedure(${`${drop}(text)`}) is not null
      and namespace.nspname in (select ${installation.graphPrefix}::text || '_' || tenant_id from ${sql.id(installation.schema, 'dim_tenant')})
    order by namespace.nspname
  `.execute(db)
  return rows.map((row) => row.statement)
}

async function dropInstalled(db: Kysely<{}>, installation: Installation): Promise<string[]> {
  const text = (await installedSql('x', new Set(knownExtensions), 'after')).join('\n')
  const made = [...text.matchAll(/create (?:or replace )?(function|procedure|aggregate|domain) "x"\.(\w+)/gi)]
  const routines = made.flatMap(([, kind, name]) => (kind === 'domain' ? [] : [name!]))
  const domains = made.flatMap(([, kind, name]) => (kind === 'domain' ? [name!] : []))
  const { rows } = await sql<{ statement: string }>`
    select format('drop %s if exists %s cascade', case routine.prokind when 'a' then 'aggregate' when 'p' then 'procedure' else 'function' end, routine.oid::regprocedure) as statement
    from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as namespace on namespace.oid = routine.pronamespace
    where namespace.nspname = ${installation.schema}
      and routine.proname = any(${routines}::text[])
    union all
    select format('drop domain if exists %s cascade', type.oid::regtype)
    from pg_catalog.pg_type as type
    join pg_catalog.pg_namespace as namespace on namespace.oid = type.typnamespace
    where namespace.nspname = ${installation.schema} and type.typname = any(${domains}::text[])
  `.execute(db)
  return rows.map((row) => row.statement)
}
