import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { installedNames } from '../installedSql.ts'
import { manifest } from '../manifest.ts'

interface Exposed {
  kind: 'public' | 'definer' | 'path' | 'owner' | 'create'
  name: string
  /** The owner, or the role that has the right. */
  by: string
}

/**
 * Checks for anything that lets others act with the rights of a user of pgvantage: functions of
 * ours that PUBLIC may execute or that look up names on the caller's search path, objects that
 * belong to another owner than the tables, and roles that may create objects in our schema.
 */
export const exposureCheck: Check = {
  name: 'what others could use',
  find: async ({ db, installation }) => (installation === null ? [] : exposed(db, installation.schema)),
}

async function exposed(db: Kysely<{}>, schema: string): Promise<Finding[]> {
  const routines = await installedNames('function', 'procedure', 'aggregate')
  const relations = [...Object.keys(manifest.tables), ...Object.keys(manifest.views)]
  const { rows } = await sql<Exposed>`
    with our as (
      select namespace.oid, class.relowner as owner, namespace.nspowner, namespace.nspacl
      from pg_catalog.pg_namespace as namespace
      join pg_catalog.pg_class as class on class.relnamespace = namespace.oid and class.relname = 'pgvantage_installation'
      where namespace.nspname = ${schema}
    ),
    routine as (
      select proc.oid::regprocedure::text as name, proc.proowner, proc.prosecdef, proc.prokind, proc.proconfig, proc.prosqlbody is not null as bound,
        pg_catalog.has_function_privilege('public'::name, proc.oid, 'execute'::text) as open
      from our
      join pg_catalog.pg_proc as proc on proc.pronamespace = our.oid and proc.proname = any(${routines}::text[])
      where not exists (
        select from pg_catalog.pg_depend as member
        where member.classid = 'pg_catalog.pg_proc'::regclass::oid and member.objid = proc.oid and member.deptype = 'e'
      )
    )
    select case when prosecdef then 'definer' else 'public' end as kind, name, '' as by from routine where open
    union all
    select 'path', name, '' from routine
    where prokind <> 'a' and not bound
      and not exists (select from pg_catalog.unnest(proconfig) as setting where setting like 'search_path=%pg_temp')
    union all
    select 'owner', 'function ' || name, pg_get_userbyid(proowner)::text from our join routine on routine.proowner <> our.owner
    union all
    select 'owner', case class.relkind when 'v' then 'view ' when 'S' then 'sequence ' else 'table ' end || pg_catalog.quote_ident(class.relname::text),
      pg_get_userbyid(class.relowner)::text
    from our join pg_catalog.pg_class as class on class.relnamespace = our.oid and class.relowner <> our.owner
    where class.relname = any(${relations}::text[])
    union all
    -- Superusers and the database's owner can do everything anyway.
    select distinct 'create', '', case when granted.grantee = 0::oid then 'PUBLIC' else pg_get_userbyid(granted.grantee)::text end
    from our
    cross join lateral aclexplode(coalesce(our.nspacl, pg_catalog.acldefault('n'::"char", our.nspowner))) as granted
    where granted.privilege_type = 'CREATE' and granted.grantee <> our.owner
      and not exists (
        select from pg_catalog.pg_roles as role
        where role.oid = granted.grantee and (role.rolsuper or role.rolname = 'pg_database_owner' or role.oid = (
          select database.datdba from pg_catalog.pg_database as database where database.datname = current_database()
        ))
      )
    order by 1, 2, 3
  `.execute(db)
  const of = (kind: Exposed['kind']) => rows.filter((row) => row.kind === kind)
  const names = (found: readonly Exposed[]) => found.map(({ name }) => name).join(', ')
  const findings: Finding[] = []
  const [definers, open, loose, foreign] = (['definer', 'public', 'path', 'owner'] as const).map(of)
  if (definers!.length > 0) {
    findings.push({
      severity: 'error',
      code: 'open-functions',
      message: `anybody may execute ${names(definers!)}, which runs with the owner's rights`,
      remedy: 'run `pgvantage migrate up`, which closes it, then what `pgvantage grants` prints for each role',
      needs: 'owner',
    })
  }
  if (open!.length > 0) {
    findings.push({
      severity: 'warning',
      code: 'open-functions',
      message: `anybody may execute ${names(open!)}`,
      remedy: 'run `pgvantage migrate up`, which closes them, then what `pgvantage grants` prints for each role',
      needs: 'owner',
    })
  }
  if (loose!.length > 0) {
    findings.push({
      severity: 'error',
      code: 'search-path',
      message: `${names(loose!)} looks up names on its caller's search_path`,
      remedy: 'run `pgvantage migrate up`, which installs it again',
      needs: 'owner',
    })
  }
  for (const { name, by } of foreign!) {
    findings.push({
      severity: 'error',
      code: 'owner',
      message: `${name} belongs to ${by}, not to the owner of pgvantage_installation`,
      remedy: `check that its definition is the right one, then run \`alter ${name} owner to\` that one`,
      needs: 'superuser',
    })
  }
  for (const { by } of of('create')) {
    findings.push({
      severity: by === 'PUBLIC' ? 'error' : 'warning',
      code: 'schema-create',
      message: `${by === 'PUBLIC' ? 'anybody' : by} may create functions in schema ${schema}, which calls of pgvantage's own could find`,
      remedy: `run \`revoke create on schema ${JSON.stringify(schema)} from ${by === 'PUBLIC' ? 'public' : by}\`, or move pgvantage to a schema of its own`,
      needs: 'owner',
    })
  }
  return findings
}
