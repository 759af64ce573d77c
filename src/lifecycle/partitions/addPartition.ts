import { sql, type Kysely } from 'kysely'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { defaultPartitionOf, partitionName, partitionsOf, uncovered } from './partition.ts'
import { insistingly, withShortLocks, type Attempted, type ShortLockOptions } from './shortLock.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { beginsWithin, execute, type Stretch } from '../statement.ts'

/**
 * Creates a partition for a stretch of a table, with the rows of the default partition in that
 * stretch. Returns null if there is one already.
 *
 * It runs in one transaction. The partition is created separately and then attached, so readers and
 * writers of the table continue. Only two groups wait for the moment of attaching: sessions that
 * register a resource, a pattern or a locator (the partition's foreign keys lock those tables
 * against writes), and sessions that read or write rows of the default partition.
 *
 * If rows must be moved:
 *
 * - Writers of the table wait until they are moved: a writer that had already chosen the default
 *   partition for a row would be refused once there is a better one.
 * - Readers continue until the partition is attached, and wait for that: a reader that had already
 *   listed the partitions would find the rows in none of them.
 *
 * No lock is waited for longer than 100 ms at a time (see `withShortLocks`).
 *
 * @returns how many rows were moved.
 */
export function addPartition(
  db: Kysely<{}>,
  installation: Installation,
  table: string,
  wanted: Stretch,
  options: ShortLockOptions = {},
): Promise<Attempted<number | null>> {
  const parent = qualified(installation, table)
  return withShortLocks(
    db,
    installation,
    async (trx) => {
      // Two processes that do the same wait here, instead of one failing because the name exists.
      await takeTurn(trx, `pgvantage partition ${parent}`)
      const [stretch] = uncovered(wanted, await partitionsOf(trx, installation, table))
      if (stretch === undefined) return null
      const overflow = await defaultPartitionOf(trx, installation, table)
      const strays = overflow === null ? 0 : await lockedStrays(trx, installation, { table, overflow }, stretch)
      const partition = qualified(installation, await freeName(trx, installation, partitionName(table, stretch)))
      await execute(trx, `create table ${partition} (like ${parent} including all${strays > 0 ? ' excluding indexes' : ''})`)
      if (strays > 0) await moveRows(trx, { parent, partition, overflow: qualified(installation, overflow!) }, stretch)
      const { from, to } = literals(stretch)
      const attach = `alter table ${parent} attach partition ${partition} for values from (${from}) to (${to})`
      await insistingly(trx, [...(strays > 0 ? [`lock table only ${parent} in access exclusive mode`] : []), attach], {
        signal: options.signal,
      })
      if (strays > 0) await execute(trx, `alter table ${partition} drop constraint pgvantage_bounds`)
      return strays
    },
    options,
  )
}

/**
 * How many rows of a stretch are in the default partition. If there are any, writers of the table
 * wait from here on until the transaction ends.
 *
 * Counted again under the lock, since a row may have arrived while waiting for it.
 */
async function lockedStrays(
  trx: Kysely<{}>,
  installation: Installation,
  { table, overflow }: { table: string; overflow: string },
  stretch: Stretch,
): Promise<number> {
  const strays = sql`${sql.id(installation.schema, overflow)} where ${beginsWithin(stretch)}`
  const { rows: found } = await sql<{ some: boolean }>`select exists (select from ${strays}) as some`.execute(trx)
  if (!found[0]!.some) return 0
  await execute(
    trx,
    `lock table only ${qualified(installation, table)}, only ${qualified(installation, overflow)} in share row exclusive mode`,
  )
  const { rows } = await sql<{ count: number }>`select count(*)::float8 as count from ${strays}`.execute(trx)
  return rows[0]!.count
}

/**
 * Checks here what attaching would check while everyone waits: the bounds of these rows and their
 * foreign keys.
 */
async function moveRows(
  trx: Kysely<{}>,
  { parent, partition, overflow }: { parent: string; partition: string; overflow: string },
  stretch: Stretch,
): Promise<void> {
  const { from, to } = literals(stretch)
  await execute(
    trx,
    `alter table ${partition} add constraint pgvantage_bounds check (bucket is not null and bucket >= ${from} and bucket < ${to})`,
  )
  const columns = sql.raw(await storedColumns(trx, parent))
  const strays = sql`${sql.raw(overflow)} where ${beginsWithin(stretch)}`
  await sql`insert into ${sql.raw(partition)} (${columns}) select ${columns} from ${strays}`.execute(trx)
  // Not truncated: a reader with a snapshot from before this transaction still finds the rows here.
  await sql`delete from ${strays}`.execute(trx)
  // Attaching uses existing indexes instead of building them while everyone waits; and an index on
  // existing rows is built in half the time.
  for (const statement of await indexesOf(trx, parent, partition)) await execute(trx, statement)
  const { rows: keys } = await sql<{ name: string; definition: string }>`
    select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
    from pg_catalog.pg_constraint
    where conrelid = ${parent}::text::regclass and contype = 'f'
    order by conname
  `.execute(trx)
  for (const { name, definition } of keys) await insistingly(trx, [`alter table ${partition} add constraint ${name} ${definition}`])
}

/** The ends of a stretch, for statements without parameters. */
const literals = ({ from, to }: Stretch) => ({ from: quoteLiteral(from.toISOString()), to: quoteLiteral(to.toISOString()) })

/** The statements that create a table's indexes and keys on a partition. */
async function indexesOf(trx: Kysely<{}>, parent: string, partition: string): Promise<string[]> {
  const { rows } = await sql<{ definition: string; isKey: boolean; isUnique: boolean }>`
    select
      key.oid is not null as "isKey",
      index.indisunique as "isUnique",
      case
        when key.oid is not null then pg_get_constraintdef(key.oid)
        else substr(
          pg_get_indexdef(index.indexrelid),
          1 + length(format(
            'CREATE %sINDEX %I ON ONLY %I.%I ',
            case when index.indisunique then 'UNIQUE ' end, own.relname, namespace.nspname, class.relname
          ))
        )
      end as definition
    from pg_catalog.pg_index as index
    join pg_catalog.pg_class as own on own.oid = index.indexrelid
    join pg_catalog.pg_class as class on class.oid = index.indrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    left join pg_catalog.pg_constraint as key
      on key.conindid = index.indexrelid and key.conrelid = index.indrelid and key.contype in ('p', 'u')
    where index.indrelid = ${parent}::text::regclass
    order by index.indexrelid
  `.execute(trx)
  return rows.map(({ definition, isKey, isUnique }) =>
    isKey ? `alter table ${partition} add ${definition}` : `create ${isUnique ? 'unique ' : ''}index on ${partition} ${definition}`,
  )
}

/** The columns that are written; generated ones are not. */
async function storedColumns(trx: Kysely<{}>, table: string): Promise<string> {
  const { rows } = await sql<{ columns: string }>`
    select string_agg(quote_ident(attname), ', ' order by attnum) as columns
    from pg_catalog.pg_attribute
    where attrelid = ${table}::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
  `.execute(trx)
  return rows[0]!.columns
}

/** The name, or, if there is another table of that name, the name with a number. */
async function freeName(trx: Kysely<{}>, installation: Installation, name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_${number}`
    const { rows } = await sql<{ free: boolean }>`
      select to_regclass(${qualified(installation, candidate)}::text) is null as free
    `.execute(trx)
    if (rows[0]!.free) return candidate
  }
}
