import { sql, type Kysely } from 'kysely'
import { knownExtensions, type KnownExtension } from './capabilities.ts'

/** The extensions that the current role may create here. */
export async function creatableHere(db: Kysely<{}>): Promise<Set<KnownExtension>> {
  const { rows } = await sql<{ name: KnownExtension }>`
    select version.name::text as name
    from pg_catalog.pg_available_extension_versions as version
    join pg_catalog.pg_available_extensions as extension on extension.name = version.name and extension.default_version = version.version
    cross join (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as role
    where version.name = any(${[...knownExtensions]}::name[])
      and (role.rolsuper or ((not version.superuser or version.trusted) and has_database_privilege(current_database(), 'create')))
  `.execute(db)
  return new Set(rows.map(({ name }) => name))
}
