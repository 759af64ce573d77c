import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import type { Stretch } from '../statement.ts'

/** A partition that holds a stretch of time. */
export interface Partition extends Stretch {
  /**
   * Its schema: our partitions are in the table's schema, but someone may have attached one from
   * another.
   */
  readonly schema: string
  readonly name: string
}

/** The partitions of a table with bounds, the oldest first; without the default partition. */
export async function partitionsOf(db: Kysely<{}>, installation: Installation, table: string): Promise<Partition[]> {
  const bounds = String.raw`FOR VALUES FROM \('([^']+)'\) TO \('([^']+)'\)`
  const { rows } = await sql<Partition>`
    select
      namespace.nspname::text as schema, partition.relname::text as name,
      bound[1]::timestamptz as "from", bound[2]::timestamptz as "to"
    from pg_catalog.pg_inherits as child
    join pg_catalog.pg_class as partition on partition.oid = child.inhrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = partition.relnamespace
    cross join lateral regexp_match(pg_catalog.pg_get_expr(partition.relpartbound, partition.oid), ${bounds}) as bound
    where child.inhparent = ${qualified(installation, table)}::text::regclass::oid
      and bound is not null and bound[1] is not null and bound[2] is not null
    order by 2
  `.execute(db)
  return rows
}

/** The name of a table's default partition in the same schema; null if there is none there. */
export async function defaultPartitionOf(db: Kysely<{}>, installation: Installation, table: string): Promise<string | null> {
  const { rows } = await sql<{ name: string }>`
    select partition.relname::text as name
    from pg_catalog.pg_partitioned_table as partitioned
    join pg_catalog.pg_class as partition on partition.oid = partitioned.partdefid
    join pg_catalog.pg_class as parent on parent.oid = partitioned.partrelid and parent.relnamespace = partition.relnamespace
    where partitioned.partrelid = ${qualified(installation, table)}::text::regclass::oid
  `.execute(db)
  return rows[0]?.name ?? null
}

/**
 * The parts of a stretch without a partition: all of it, or what is left beside partitions with
 * other bounds.
 */
export function uncovered(stretch: Stretch, partitions: readonly Stretch[]): Stretch[] {
  let open = [stretch]
  for (const { from, to } of partitions) {
    open = open.flatMap((part) =>
      [
        { from: part.from, to: new Date(Math.min(part.to.getTime(), from.getTime())) },
        { from: new Date(Math.max(part.from.getTime(), to.getTime())), to: part.to },
      ].filter((rest) => rest.from < rest.to),
    )
  }
  return open
}

/**
 * `metric_1m_p20261119`, like the partitions created with the table; with the time of day if it
 * does not begin at midnight.
 */
export function partitionName(table: string, { from }: Stretch): string {
  const [day, time] = from.toISOString().split('T') as [string, string]
  const clock = time.slice(0, 8).replaceAll(':', '')
  return `${table}_p${day.replaceAll('-', '')}${clock === '000000' ? '' : `_${clock}`}`
}
