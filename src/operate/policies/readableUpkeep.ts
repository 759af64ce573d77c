import { sql } from 'kysely'
import type { Check, Examined } from '../../database/checks/check.ts'
import { schemaVersion, type Installation } from '../../database/installation/installation.ts'

const upkeepTables = ['pgvantage_failure', 'pgvantage_policy', 'pgvantage_stale_bucket', 'pgvantage_time_table']

/**
 * The installation, if the records of upkeep have this version's form and the current role may read
 * them; otherwise null. A role that only reads rollups does not need them.
 */
export async function readableUpkeep({ db, installation, version }: Examined): Promise<Installation | null> {
  if (installation === null || version !== schemaVersion) return null
  const { rows } = await sql<{ may: boolean }>`
    select pg_catalog.count(*) = ${upkeepTables.length}::int8
      and bool_and(has_table_privilege(class.oid, 'select') and has_schema_privilege(namespace.oid, 'usage')) as may
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${installation.schema} and class.relname = any(${upkeepTables}::text[])
  `.execute(db)
  return rows[0]!.may ? installation : null
}

/** Reports what the checks that need it could not look at. */
export const upkeepCheck: Check = {
  name: 'what upkeep remembers',
  find: async (examined) =>
    examined.installation === null || examined.version !== schemaVersion || (await readableUpkeep(examined)) !== null
      ? []
      : [
          {
            severity: 'info',
            code: 'not-checked',
            message: 'policies and maintenance: this role may not read the records of upkeep, so neither was checked',
            remedy: 'nothing, if this is its purpose; otherwise run what `pgvantage grants --role reader NAME` prints',
            needs: 'owner',
          },
        ],
}
