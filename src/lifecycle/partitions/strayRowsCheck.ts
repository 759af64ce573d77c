import { sql, type Kysely } from 'kysely'
import type { Check } from '../../database/checks/check.ts'
import { tableNames } from '../../database/installation/installationPlaces.ts'

/** Checks that the default partitions are empty: only rows of times far from now get there. */
export const strayRowsCheck: Check = {
  name: 'rows outside the partitions',
  async find({ db, installation }) {
    if (installation?.timeRung !== 'native') return []
    return (await strayRows(db, installation.schema)).map((table) => ({
      severity: 'warning',
      code: 'default-partition',
      message: `${table}_default holds rows: their time lies outside the partitions of ${table}`,
      remedy:
        'run `pgvantage maintain`, which gives them partitions of their own: nothing is lost and queries see them, but retention and pruning work by partition',
      needs: 'maintainer',
    }))
  },
}

/** Our tables with rows in the default partition, without tables that this role may not read. */
async function strayRows(db: Kysely<{}>, schema: string): Promise<string[]> {
  const { rows } = await sql<{ table: string; partition: string }>`
    select parent.relname::text as table, partition.relname::text as partition
    from pg_catalog.pg_partitioned_table as partitioned
    join pg_catalog.pg_class as parent on parent.oid = partitioned.partrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = parent.relnamespace
    join pg_catalog.pg_class as partition on partition.oid = partitioned.partdefid
    where namespace.nspname = ${schema}
      and parent.relname = any(${[...tableNames]}::text[])
      and has_table_privilege(partition.oid, 'select')
      and has_schema_privilege(namespace.oid, 'usage')
    order by 1
  `.execute(db)
  const stray: string[] = []
  for (const { table, partition } of rows) {
    const found = await sql<{ holds: boolean }>`select exists (select from ${sql.id(schema, partition)}) as holds`.execute(db)
    if (found.rows[0]!.holds) stray.push(table)
  }
  return stray
}
