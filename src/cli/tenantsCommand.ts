import { Command } from 'commander'
import { listTenants, type Tenant } from '../catalog/tenants.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import type { Surroundings } from './surroundings.ts'
import { table } from './table.ts'

/** `pgvantage tenants`: whose data there is. */
export function tenantsCommand({ env, out, columns }: Surroundings): Command {
  return new Command('tenants')
    .description('list the tenants; changes nothing')
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async ({ database, schema, json }: { database?: string; schema?: string; json?: boolean }) => {
      const tenants = await withDatabase({ database }, env, (db) => listTenants(db, { schema }))
      out(json ? document({ tenants }) : describeTenants(tenants, columns))
    })
}

const describeTenants = (tenants: readonly Tenant[], width: number): string =>
  tenants.length === 0
    ? 'there is no tenant yet: `pgvantage ingest FILE --tenant CODE --create` makes one\n'
    : table(
        ['tenant', 'name'],
        tenants.map(({ code, name }) => [code, name]),
        { width },
      )
