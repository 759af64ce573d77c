import { quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { chunksAround } from './chunkGrid.ts'
import { partitionName } from './partition.ts'

export interface TimeTable {
  name: string
  /** The time column that it is partitioned by. */
  time: string
  /** The length of one chunk or partition, an interval of fixed length. */
  chunk: string
  /** The text between the parentheses of `create table`. */
  columns: string
}

/**
 * The statements that create a table partitioned by time, for the server's rung.
 *
 * With TimescaleDB it is a hypertable, which creates chunks when rows arrive. Without, it is a
 * range-partitioned table: partitions aligned to the epoch like TimescaleDB's chunks, for the chunk
 * before `now` up to two after it, and a default partition, so that no row is refused.
 */
export function timeTable(installation: Installation, { name, time, chunk, columns }: TimeTable, now = new Date()): string[] {
  const table = qualified(installation, name)
  if (installation.timeRung !== 'native') {
    return [
      `create table ${table} (\n  ${columns}\n)`,
      `select create_hypertable(${quoteLiteral(table)}::regclass, ${quoteLiteral(time)}::name, chunk_time_interval => interval ${quoteLiteral(chunk)}, create_default_indexes => false)`,
    ]
  }
  const partitions = chunksAround(chunk, now).map((stretch) => {
    const partition = qualified(installation, partitionName(name, stretch))
    const [from, to] = [stretch.from, stretch.to].map((end) => quoteLiteral(end.toISOString()))
    return `create table ${partition} partition of ${table} for values from (${from}) to (${to})`
  })
  return [
    `create table ${table} (\n  ${columns}\n) partition by range (${time})`,
    ...partitions,
    `create table ${qualified(installation, `${name}_default`)} partition of ${table} default`,
  ]
}
