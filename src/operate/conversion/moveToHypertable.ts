import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { execute } from '../../lifecycle/statement.ts'
import { hangOn, type Attachments } from './attachments.ts'
import { outgrown } from './outgrown.ts'

export interface HypertableOptions {
  name: string
  time: string
  chunk: string
}

/**
 * Replaces a partitioned table by a hypertable: a new table takes its name, its rows, and
 * everything attached to it; the old one moves to another schema.
 *
 * Constraints, indexes and triggers are added after the rows: a foreign key is then checked by one
 * join instead of a look-up for each row.
 *
 * @returns the number of rows, which is the same in both tables.
 * @throws Error if it is not.
 */
export async function moveToHypertable(
  trx: Kysely<{}>,
  installation: Installation,
  { name, time, chunk }: HypertableOptions,
  kept: Attachments,
  keepTrigger: (name: string) => boolean,
): Promise<number> {
  const table = qualified(installation, name)
  const old = qualified({ schema: outgrown }, name)
  await execute(trx, `alter table ${table} set schema ${quoteIdentifier(outgrown)}`)
  await execute(trx, `create table ${table} (like ${old} including all excluding indexes)`)
  await sql`select create_hypertable(${sql.lit(table)}::regclass, ${sql.lit(time)}::name, chunk_time_interval => ${sql.lit(chunk)}::interval, create_default_indexes => false)`.execute(
    trx,
  )
  const columns = sql.join(kept.columns.map((column) => sql.id(column)))
  await sql`insert into ${sql.raw(table)} (${columns}) overriding system value select ${columns} from ${sql.raw(old)}`.execute(trx)
  const { rows } = await sql<{ before: string; after: string }>`
    select (select count(*) from ${sql.raw(old)})::text as before, (select count(*) from ${sql.raw(table)})::text as after
  `.execute(trx)
  const { before, after } = rows[0]!
  if (before !== after) throw new Error(`${name} had ${before} rows and its hypertable has ${after}`)
  const triggers = kept.triggers.filter((trigger) => keepTrigger(trigger.name)).map(({ definition }) => definition)
  for (const statement of [...kept.constraints, ...kept.indexes, ...triggers]) await execute(trx, statement)
  await hangOn(trx, installation, name, kept)
  return Number(after)
}
