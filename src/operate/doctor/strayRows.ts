import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { manifest } from '../manifest.ts'

/** The partitioned tables of ours whose default partition holds rows; one that this role may not read is left out. */
export async function strayRows(db: Kysely<{}>, { schema }: Installation): Promise<string[]> {
  const partitioned = Object.entries(manifest.tables).flatMap(([name, { hasDefault }]) => (hasDefault === true ? [name] : []))
  const { rows } = await sql<{ table: string; partition: string }>`
    select parent.relname::text as "table", partition.relname::text as partition
    from pg_catalog.pg_partitioned_table as partitioned
    join pg_catalog.pg_class as parent on parent.oid = partitioned.partrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = parent.relnamespace
    join pg_catalog.pg_class as partition on partition.oid = partitioned.partdefid
    where namespace.nspname = ${schema}
      and parent.relname = any(${partitioned}::text[])
      and has_table_privilege(partition.oid, 'select')
      and has_schema_privilege(namespace.oid, 'usage')
    order by 1
  `.execute(db)
  const stray: string[] = []
  for (const { table, partition } of rows) {
    const found = await sql<{ any: boolean }>`select exists (select from ${sql.id(schema, partition)}) as "any"`.execute(db)
    if (found.rows[0]!.any) stray.push(table)
  }
  return stray
}
