import { Option } from 'commander'
import type { Kysely } from 'kysely'
import { listTenants } from '../catalog/tenants.ts'
import { tenantScope, type Scope } from '../database/scope.ts'
import { InvalidInputError, NotFoundError } from '../schema/errors.ts'

/** `--tenant CODE`, for commands that read or refresh what there is. */
export const tenantOption = () => new Option('-t, --tenant <code>', 'whose; may be left out where there is one tenant')

/** The scope of the tenant that was named, or of the only one there is. */
export async function scopeOf(db: Kysely<{}>, { tenant, schema }: { tenant?: string; schema?: string }): Promise<Scope> {
  return tenantScope(db, tenant ?? (await onlyTenant(db, schema)), { schema })
}

async function onlyTenant(db: Kysely<{}>, schema: string | undefined): Promise<string> {
  const [only, ...others] = await listTenants(db, { schema })
  if (only === undefined) throw new NotFoundError('there is no tenant yet: `pgvantage ingest FILE --tenant CODE --create` makes one')
  if (others.length === 0) return only.code
  throw new InvalidInputError('--tenant', `say which: there are ${others.length + 1} tenants (\`pgvantage tenants\` lists them)`)
}
