import { sql, type Kysely } from 'kysely'
import { knownExtensions } from '../../database/capabilities.ts'
import type { Installation } from '../../database/installation/installation.ts'
import { withoutTrace } from '../../database/transaction/inTransaction.ts'
import { setSettings } from '../../database/transaction/settings.ts'
import { installedNames } from '../installedSql.ts'
import { manifest } from '../manifest.ts'

interface Named {
  oid: number
  /** Quoted, with its schema. */
  name: string
}

interface Owned extends Named {
  owner: string
}

/**
 * The objects that rights are granted on, from the catalog, which can be read without rights on
 * them.
 */
export interface RightsFacts {
  versionNumber: number
  database: Owned
  /** The schemas of the extensions that we use, except Apache AGE. */
  extensionSchemas: Owned[]
  /** The schema of Apache AGE and its tables about graphs; null without AGE. */
  age: null | { oid: number; owner: string; tables: Named[] }
  /** The schema for an installation; null if it does not exist yet. */
  place: Owned | null
  installed: null | {
    schema: Owned
    owner: string
    quotedOwner: string
    ownerOid: number
    ownerIsSuperuser: boolean
    /** Our tables and views. */
    relations: (Named & { bare: string })[]
    /** Our functions and aggregates, with their argument types. */
    routines: { oid: number; signature: string; bare: string }[]
    /** The graphs of our tenants, made by a role that may make them. */
    graphs: Owned[]
  }
}

/** Reads the catalog; changes nothing. */
export async function rightsFacts(db: Kysely<{}>, installation: Installation | undefined, schema = 'public'): Promise<RightsFacts> {
  const relations = [...Object.keys(manifest.tables), ...Object.keys({ ...manifest.views, ...manifest.continuousAggregates })]
  const routines = await installedNames('function', 'procedure', 'aggregate')
  const place = installation?.schema ?? schema
  return withoutTrace(db, async (trx) => {
    // So that types and tables are printed with their schema.
    await setSettings(trx, { search_path: 'pg_catalog' })
    const { rows } = await sql<{ facts: Omit<RightsFacts, 'installed'> & { owned: Exclude<RightsFacts['installed'], null> | null } }>`
      with our as (
        select namespace.oid, quote_ident(namespace.nspname) as name, pg_get_userbyid(case
          when pg_get_userbyid(namespace.nspowner) = 'pg_database_owner' then (select datdba from pg_database where datname = current_database())
          else namespace.nspowner
        end)::text as owner
        from pg_namespace as namespace
        where namespace.nspname = ${place}
      ),
      installation as (
        select role.oid, role.rolname::text as name, role.rolsuper
        from our join pg_class as class on class.relnamespace = our.oid and class.relname = 'pgvantage_installation'
        join pg_roles as role on role.oid = class.relowner
      )
      select jsonb_build_object(
        'versionNumber', current_setting('server_version_num')::int4,
        'database', (
          select jsonb_build_object('oid', oid::int8, 'name', quote_ident(datname), 'owner', pg_get_userbyid(datdba))
          from pg_database where datname = current_database()
        ),
        'extensionSchemas', (
          select coalesce(jsonb_agg(jsonb_build_object('oid', place.oid::int8, 'name', quote_ident(place.nspname), 'owner', place.owner) order by place.nspname), '[]')
          from (
            select distinct namespace.oid, namespace.nspname, pg_get_userbyid(case
              when pg_get_userbyid(namespace.nspowner) = 'pg_database_owner' then (select datdba from pg_database where datname = current_database())
              else namespace.nspowner
            end) as owner
            from pg_extension as extension
            join pg_namespace as namespace on namespace.oid = extension.extnamespace
            where extension.extname = any(${knownExtensions.filter((name) => name !== 'age')}::text[]) and namespace.nspname not in ('pg_catalog', ${place})
          ) as place
        ),
        'age', (
          select jsonb_build_object('oid', namespace.oid::int8, 'owner', pg_get_userbyid(namespace.nspowner), 'tables', (
            select coalesce(jsonb_agg(jsonb_build_object('oid', class.oid::int8, 'name', class.oid::regclass::text) order by class.relname), '[]')
            from pg_class as class where class.relnamespace = namespace.oid and class.relname in ('ag_graph', 'ag_label')
          ))
          from pg_extension as extension
          join pg_namespace as namespace on namespace.oid = extension.extnamespace
          where extension.extname = 'age'
        ),
        'place', (select jsonb_build_object('oid', oid::int8, 'name', name, 'owner', owner) from our),
        'owned', (
          select jsonb_build_object(
            'schema', jsonb_build_object('oid', our.oid::int8, 'name', our.name, 'owner', our.owner),
            'owner', installation.name,
            'quotedOwner', quote_ident(installation.name),
            'ownerOid', installation.oid::int8,
            'ownerIsSuperuser', installation.rolsuper,
            'relations', (
              select coalesce(jsonb_agg(jsonb_build_object('oid', class.oid::int8, 'name', class.oid::regclass::text, 'bare', class.relname) order by class.relname), '[]')
              from pg_class as class
              where class.relnamespace = our.oid and class.relkind in ('r', 'p', 'v') and class.relname = any(${relations}::text[])
            ),
            'routines', (
              select coalesce(jsonb_agg(jsonb_build_object('oid', routine.oid::int8, 'signature', routine.oid::regprocedure::text, 'bare', routine.proname) order by routine.proname, routine.oid), '[]')
              from pg_proc as routine
              where routine.pronamespace = our.oid and routine.proname = any(${routines}::text[]) and routine.proowner = installation.oid
            ),
            'graphs', (
              select coalesce(jsonb_agg(jsonb_build_object('oid', graph.oid::int8, 'name', quote_ident(graph.nspname), 'owner', pg_get_userbyid(graph.nspowner)) order by graph.nspname), '[]')
              from pg_namespace as graph
              join pg_proc as makes on makes.pronamespace = our.oid and makes.proname = 'graph_prepare'
              where graph.nspname ~ ('^' || ${installation?.graphPrefix ?? ''}::text || '_[0-9]+$')
                and has_function_privilege(graph.nspowner, makes.oid, 'execute')
            )
          )
          from our cross join installation
        )
      ) as facts
    `.execute(trx)
    const { owned, ...facts } = rows[0]!.facts
    return { ...facts, installed: installation === undefined ? null : owned }
  })
}
