import { quoteLiteral } from '../src/database/sql/identifier.ts'
import { qualified, type Installation } from '../src/database/installation/installation.ts'

export interface TimeTable {
  name: string
  /** The length of one chunk or partition. */
  chunkDays: number
  /** The text between the parentheses of `create table`. */
  columns: string
}

/**
 * The statements that create a table cut along its column `bucket`, in the shape of the server's
 * rung. Frozen like the migrations that call it: a change here would change what has run.
 *
 * With TimescaleDB a hypertable. Without, a range-partitioned table with the partitions around now,
 * aligned to the epoch as TimescaleDB aligns chunks, and a default partition.
 */
export function timeTable(installation: Installation, { name, chunkDays, columns }: TimeTable): string[] {
  const table = qualified(installation, name)
  if (installation.timeRung !== 'native') {
    return [
      `create table ${table} (
  ${columns}
)`,
      `select create_hypertable(${quoteLiteral(table)}::regclass, 'bucket'::name, chunk_time_interval => interval '${chunkDays} days', create_default_indexes => false)`,
    ]
  }
  const length = chunkDays * 86_400_000
  const current = Math.floor(Date.now() / length)
  const partitions = [-1, 0, 1, 2].map((offset) => {
    const [from, to] = [current + offset, current + offset + 1].map((chunk) => new Date(chunk * length).toISOString())
    const partition = qualified(installation, `${name}_p${from!.slice(0, 10).replaceAll('-', '')}`)
    return `create table ${partition} partition of ${table} for values from ('${from}') to ('${to}')`
  })
  return [
    `create table ${table} (
  ${columns}
) partition by range (bucket)`,
    ...partitions,
    `create table ${qualified(installation, `${name}_default`)} partition of ${table} default`,
  ]
}
