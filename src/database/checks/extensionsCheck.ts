import { sql, type Kysely } from 'kysely'
import { knownExtensions, requiredExtensions, type KnownExtension } from '../capabilities.ts'
import { older } from '../older.ts'
import type { Check, Finding } from './check.ts'

/** Whether the required extensions are there, and whether the server has a later version of any. */
export const extensionsCheck: Check = {
  name: 'extensions',
  async find({ db, server: { extensions } }) {
    const missing = requiredExtensions.filter((name) => extensions[name].installed === null)
    const outdated = knownExtensions.filter((name) => {
      const { installed, available } = extensions[name]
      return installed !== null && available !== null && older(installed, available)
    })
    const creatable = missing.length === 0 ? new Set<KnownExtension>() : await creatableHere(db)
    return [
      ...missing.map((name) => missingFinding(name, extensions[name].available !== null, creatable.has(name))),
      ...outdated.map((name): Finding => {
        const { installed, available } = extensions[name]
        return {
          severity: 'info',
          code: 'extension-update',
          message: `extension ${name} is at ${installed}, the server has ${available}`,
          remedy: `run \`alter extension ${name} update\``,
          needs: 'superuser',
        }
      }),
    ]
  },
}

function missingFinding(name: KnownExtension, available: boolean, creatable: boolean): Finding {
  const finding = { severity: 'error', code: 'extension-missing' } as const
  if (!available) {
    return {
      ...finding,
      message: `extension ${name} is not on this server`,
      remedy: "install the extension's package on the server, or choose a server that offers it",
    }
  }
  const message = `extension ${name} is available but not installed`
  return creatable
    ? { ...finding, message, remedy: 'run `pgvantage migrate up`, which creates it', needs: 'owner' }
    : {
        ...finding,
        message,
        remedy: `run \`create extension ${name}\` in this database, then \`pgvantage migrate up\``,
        needs: 'superuser',
      }
}

/** The extensions that the current role may create here. */
async function creatableHere(db: Kysely<{}>): Promise<Set<KnownExtension>> {
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
