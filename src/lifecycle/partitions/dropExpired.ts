import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { rollTurn } from '../../database/transaction/rollTurn.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { defaultPartitionOf, partitionsOf } from './partition.ts'
import { withShortLocks, type Attempted, type ShortLockOptions } from './shortLock.ts'
import { beginsWithin, execute, type Stretch } from '../statement.ts'
import { strayChunks } from './strayChunks.ts'
import { timescale } from '../timescale.ts'

/** A table whose old chunks are dropped. */
export interface ExpiringTable {
  /** Its name: `metric_1m`, `metric_1h`. */
  readonly name: string
  /** The table of its rows: `metric_1m`, `metric_1h_stored`. */
  readonly table: string
  readonly chunk: string
  /** The rollup computed from it, if any: rows that are not rolled up yet are not dropped. */
  readonly rollup: { readonly name: string; readonly bucket: string } | null
}

/** A chunk, a partition, or a chunk's rows in the default partition. */
export interface ExpiredChunk extends Stretch {
  readonly kind: 'chunk' | 'partition' | 'strays'
  readonly name: string
}

/**
 * The chunks of a table that ended before `before`, the oldest first; for servers without jobs that
 * drop them.
 */
export async function expiredChunks(
  db: Kysely<{}>,
  installation: Installation,
  { table, chunk }: ExpiringTable,
  before: Date,
): Promise<ExpiredChunk[]> {
  if (installation.timeRung !== 'native') return expiredHypertableChunks(db, installation, table, before)
  const overflow = await defaultPartitionOf(db, installation, table)
  // A partition that someone attached from another schema is theirs to drop.
  const partitions = (await partitionsOf(db, installation, table)).flatMap(({ schema, ...partition }) =>
    schema === installation.schema ? [{ ...partition, kind: 'partition' as const }] : [],
  )
  const strays = (await strayChunks(db, installation, { table, chunk })).map((stretch) => ({
    ...stretch,
    kind: 'strays' as const,
    name: overflow!,
  }))
  return [...partitions, ...strays].filter(({ to }) => to <= before).sort((a, b) => a.to.getTime() - b.to.getTime())
}

async function expiredHypertableChunks(db: Kysely<{}>, installation: Installation, table: string, before: Date): Promise<ExpiredChunk[]> {
  const { rows } = await sql<ExpiredChunk>`
    select 'chunk' as kind, chunk_name::text as name, range_start as "from", range_end as "to"
    from timescaledb_information.chunks
    where hypertable_schema = ${installation.schema} and hypertable_name = ${table} and range_end <= ${before.toISOString()}
    order by range_end
  `.execute(db)
  return rows
}

/**
 * `stale`: it has rows that are not rolled up, and stays until they are. `gone`: another session
 * dropped it first.
 */
export type DropOutcome = 'dropped' | 'stale' | 'gone'

/** The result for one of them. */
export interface DroppedChunk {
  readonly chunk: ExpiredChunk
  readonly outcome: DropOutcome
  /**
   * How many rows were deleted; 0 for a chunk or a partition, which are dropped without being read.
   */
  readonly rows: number
}

/** How many chunks are dropped in one transaction: readers wait for the last of them. */
const dropBatch = 10
/** For rows of the default partition, whose deletion blocks no one. */
const strayBatch = 100

/** Groups expired chunks into transactions: neighbours of one kind. */
export function dropBatches(chunks: readonly ExpiredChunk[]): ExpiredChunk[][] {
  const batches: ExpiredChunk[][] = []
  for (const chunk of chunks) {
    const last = batches.at(-1)
    if (last !== undefined && last[0]!.kind === chunk.kind && last.length < (chunk.kind === 'strays' ? strayBatch : dropBatch))
      last.push(chunk)
    else batches.push([chunk])
  }
  return batches
}

/**
 * Drops expired chunks of one kind, and records in the same transaction up to when the table is
 * dropped. Chunks with rows that are not rolled up are left.
 *
 * Readers and writers of the table wait while chunks are dropped, some milliseconds each, and so do
 * users of the tables that its foreign keys refer to. No lock is waited for longer than 100 ms at a
 * time. Rows in the default partition are deleted instead; a session that writes at the same time
 * leaves a mark.
 */
export function dropExpired(
  db: Kysely<{}>,
  installation: Installation,
  { name, table, rollup }: ExpiringTable,
  chunks: readonly ExpiredChunk[],
  options: ShortLockOptions = {},
): Promise<Attempted<DroppedChunk[]>> {
  const whole = qualified(installation, table)
  return withShortLocks(
    db,
    installation,
    async (trx) => {
      // Nothing is rolled up from it during this time: a roll-up has checked that it is there.
      if (rollup !== null) await takeTurn(trx, rollTurn(installation, rollup.name))
      // Writers lock the table before they choose a chunk, so after this lock none has chosen a
      // chunk that is dropped.
      if (chunks[0]!.kind !== 'strays') await execute(trx, `lock table only ${whole} in access exclusive mode`)
      const dropped: DroppedChunk[] = []
      for (const chunk of chunks) dropped.push({ chunk, ...(await dropOne(trx, installation, { whole, rollup }, chunk)) })
      const last = dropped.findLast(({ outcome }) => outcome === 'dropped')?.chunk.to
      if (last !== undefined) {
        const until = last.toISOString()
        await sql`
          update ${sql.id(installation.schema, 'pgvantage_time_table')} set dropped_before = ${until}
          where name = ${name} and dropped_before < ${until}::timestamptz
        `.execute(trx)
      }
      return dropped
    },
    options,
  )
}

async function dropOne(
  trx: Kysely<{}>,
  installation: Installation,
  { whole, rollup }: { whole: string; rollup: ExpiringTable['rollup'] },
  chunk: ExpiredChunk,
): Promise<{ outcome: DropOutcome; rows: number }> {
  await execute(trx, 'savepoint pgvantage_drop')
  let rows = 0
  if (chunk.kind === 'strays') {
    const { numAffectedRows = 0n } = await sql`
      delete from ${sql.id(installation.schema, chunk.name)} where ${beginsWithin(chunk)}
    `.execute(trx)
    rows = Number(numAffectedRows)
  }
  // After the rows were read: a row that was seen has a mark that is seen now.
  if (rollup !== null && (await isStale(trx, installation, rollup, chunk))) {
    await execute(trx, 'rollback to savepoint pgvantage_drop')
    return { outcome: 'stale', rows: 0 }
  }
  if (chunk.kind === 'partition' && !(await isPartition(trx, qualified(installation, chunk.name), whole)))
    return { outcome: 'gone', rows: 0 }
  if (chunk.kind === 'partition') await execute(trx, `drop table ${qualified(installation, chunk.name)}`)
  if (chunk.kind === 'chunk') {
    const dropChunks = sql.raw(await timescale(trx, 'drop_chunks'))
    const [from, to] = [chunk.from.toISOString(), chunk.to.toISOString()]
    const { rows: dropped } = await sql`
      select ${dropChunks}(${sql.lit(whole)}::regclass, older_than => ${to}::timestamptz, newer_than => ${from}::timestamptz)
    `.execute(trx)
    if (dropped.length === 0) return { outcome: 'gone', rows: 0 }
  }
  return { outcome: 'dropped', rows }
}

/** Whether it is still a partition: one that was detached belongs to the user who detached it. */
async function isPartition(trx: Kysely<{}>, table: string, whole: string): Promise<boolean> {
  const { rows } = await sql<{ attached: boolean }>`
    select exists (
      select
      from pg_catalog.pg_inherits as child
      where child.inhrelid = pg_catalog.to_regclass(${table}::text)::oid and child.inhparent = ${whole}::text::regclass::oid
    ) as attached
  `.execute(trx)
  return rows[0]!.attached
}

/**
 * Whether something of a stretch is still to be rolled up: it is marked, or the rollup reads
 * buckets before its end from the source, as it does when a bucket cannot be rolled up.
 */
async function isStale(trx: Kysely<{}>, installation: Installation, { name, bucket }: { name: string; bucket: string }, stretch: Stretch) {
  const [from, to] = [stretch.from.toISOString(), stretch.to.toISOString()]
  const { rows } = await sql<{ stale: boolean }>`
    select exists (
      select
      from ${sql.id(installation.schema, 'pgvantage_stale_bucket')}
      where rollup = ${name} and bucket > ${from}::timestamptz - ${bucket}::interval and bucket < ${to}
    ) or exists (
      select from ${sql.id(installation.schema, 'pgvantage_time_table')} where name = ${name} and rolled_until < ${to}::timestamptz
    ) as stale
  `.execute(trx)
  return rows[0]!.stale
}
