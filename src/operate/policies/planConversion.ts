import { sql, type Kysely } from 'kysely'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import { capabilities } from '../../database/capabilities.ts'
import { quoteIdentifier, quoteLiteral } from '../../database/sql/identifier.ts'
import { findInstallation, qualified, type Installation, type TimeRung } from '../../database/installation/installation.ts'
import { plainKysely } from '../../database/connection/plainKysely.ts'
import { inTurnTransaction } from '../../database/transaction/inTransaction.ts'
import { takeTurn, type OnWait } from '../../database/transaction/takeTurn.ts'
import { createRollup, noteStaleBuckets, storedTable, rollupColumns, type Rollup } from '../../lifecycle/rollups/rollup.ts'
import { execute } from '../../lifecycle/statement.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { VantageError } from '../../schema/errors.ts'
import { extensionSearchPath, extensionsToCreate, installedExtensions } from '../extensions.ts'
import { timeRung } from '../timeRung.ts'
import { defaultPolicies } from './defaultPolicies.ts'
import { hangOn, moveToHypertable, obstacles, outgrown, readAttachments, type Attachments } from './moveToHypertable.ts'

/** That the server can do more for time than it could when the tables were made. */
export interface Conversion {
  from: TimeRung
  to: TimeRung
  /** Why it cannot be done as things are; empty when it can. */
  obstacles: string[]
}

export interface ConvertReport extends Pick<Conversion, 'from' | 'to'> {
  /** What was moved, in order; `rows` is null for what is made anew from other rows. */
  steps: ConvertStep[]
}

export interface ConvertStep {
  object: string
  rows: number | null
  ms: number
}

export interface ConvertOptions {
  schema?: string
  onStep?: (step: ConvertStep) => void
  /** Told for whom it waits. */
  onWait?: OnWait
  signal?: AbortSignal
}

/**
 * What those who apply policies, or convert, wait for each other by, whichever installation of the
 * database it is.
 */
export const policiesTurn = 7620318452117002

const height: Record<TimeRung, number> = { native: 0, apache: 1, community: 2 }

/**
 * Whether a database whose tables were made without TimescaleDB, or without its community edition, could be moved up now; null when it is as high as
 * its server allows. Reads only.
 *
 * @example
 * const possible = await planConversion(db)
 * if (possible !== null) console.log(`${possible.from} -> ${possible.to}`)
 */
export async function planConversion<Database>(db: Kysely<Database>, options: { schema?: string } = {}): Promise<Conversion | null> {
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const server = await capabilities(plain)
  const to = await timeRung(plain, new Set([...installedExtensions(server), ...extensionsToCreate(server)]))
  const from = installation.timeRung
  if (height[to] <= height[from]) return null
  return { from, to, obstacles: await obstacles(plain, installation, relations(from, to)) }
}

/**
 * Moves the rollup tables up to what the server can do now, or returns null when there is nothing to gain.
 *
 * Everything happens in one transaction, for the installation is on one rung: it is up afterwards, or as it was. It blocks readers and writers of the
 * rollup tables until it commits, and writers of the catalog tables they refer to; partitions are copied into hypertables row by row, so the time
 * grows with them. Columns, constraints, indexes, triggers, comments, owners and grants come along, also those you added. What hangs on a table
 * itself, such as a view of yours, is refused before anything is locked.
 *
 * Hours and days become continuous aggregates empty; those that their source no longer holds are put into them as they were, all others are rolled
 * from the source by the refresh that applying the policies begins with. Unless a superuser converts, hours and days of dropped sources are not seen
 * until a refresh has had something to roll.
 *
 * A scope remembers on which rung the tables stood when it was made: make new ones, or restart what holds them.
 *
 * Measured on two cores, 1,000,161 rows of `metric_1m` from partitions to a hypertable: 22 s, 45,000 rows a second with all constraints and indexes; a
 * writer and a reader of the table waited 23 s, readers of the catalog tables not at all.
 *
 * @throws VantageError (`CONVERT_FAILED`) naming what stands in the way, with the server's error as its cause where there is one.
 */
export async function convert(
  connection: Kysely<{}>,
  { schema, onStep, onWait, signal }: ConvertOptions = {},
): Promise<ConvertReport | null> {
  await dropOutgrown(connection)
  if ((await unobstructed(connection, schema)) === null) return null
  // In a transaction of its own: whatever becomes of the conversion, the extension is there for the next try. Only its licence tells how far up it goes.
  await execute(connection, 'create extension if not exists timescaledb')
  const possible = await unobstructed(connection, schema)
  if (possible === null) return null
  const steps: ConvertStep[] = []
  const timed: Timed = async (object, work) => {
    signal?.throwIfAborted()
    const started = performance.now()
    const step = { object, rows: (await work()) ?? null, ms: performance.now() - started }
    steps.push(step)
    onStep?.(step)
  }
  try {
    await inTurnTransaction(connection, async (trx) => {
      await takeTurn(trx, policiesTurn, onWait)
      await moveUp(trx, schema, possible, timed)
    })
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new VantageError(`convert: ${reason}; everything was rolled back`, { code: 'CONVERT_FAILED', cause })
  }
  await dropOutgrown(connection)
  return { from: possible.from, to: possible.to, steps }
}

/** What is possible, unless something stands in the way. */
async function unobstructed(connection: Kysely<{}>, schema: string | undefined): Promise<Conversion | null> {
  const possible = await planConversion(connection, { schema })
  if (possible === null || possible.obstacles.length === 0) return possible
  const them = possible.obstacles.length === 1 ? 'it' : 'them'
  throw new VantageError(
    `convert: ${possible.obstacles.join('; ')}: drop ${them}, convert, and create ${them} again; nothing was changed`,
    { code: 'CONVERT_FAILED' },
  )
}

type Timed = (object: string, work: () => Promise<number | void>) => Promise<void>

async function moveUp(trx: Kysely<{}>, schema: string | undefined, { from, to }: Conversion, timed: Timed): Promise<void> {
  const installation = await findInstallation(trx, schema)
  // Somebody else was faster, while we waited for our turn.
  if (installation.timeRung !== from) return
  const target: Installation = { ...installation, timeRung: to }
  await lock(trx, installation, from, to)
  // With nothing else on the path every name is printed with its schema.
  await execute(trx, `select set_config('search_path', 'pg_catalog', true)`)
  const kept = new Map<string, Attachments>()
  for (const name of relations(from, to)) kept.set(name, await readAttachments(trx, installation, name))
  const dropped = await droppedBefore(trx, installation)
  await execute(trx, extensionSearchPath)
  await execute(trx, `create schema if not exists ${quoteIdentifier(outgrown)}`)
  for (const rollup of rollups.toReversed()) await execute(trx, `drop view ${qualified(installation, rollup.name)}`)
  const ours = new Set(rollups.flatMap((rollup) => staleTriggers(rollup)))
  for (const policy of defaultPolicies.time) {
    const tables = [
      { name: policy.table, chunk: policy.chunk },
      ...(to === 'community' ? [] : policy.rollups.map(({ rollup }) => ({ name: storedTable(rollup), chunk: rollup.chunk }))),
    ]
    if (from === 'native') {
      for (const { name, chunk } of tables) {
        await timed(name, () =>
          moveToHypertable(
            trx,
            installation,
            { name, time: 'bucket', chunk },
            kept.get(name)!,
            (trigger) => to !== 'community' || !ours.has(trigger),
          ),
        )
      }
    }
    if (to === 'apache') {
      for (const { rollup } of policy.rollups) {
        await execute(trx, `create view ${qualified(installation, rollup.name)} as ${kept.get(rollup.name)!.query}`)
        await hangOn(trx, installation, rollup.name, kept.get(rollup.name)!)
      }
      continue
    }
    if (from === 'apache') await dropStaleTriggers(trx, installation, policy)
    for (const { rollup } of policy.rollups) {
      await timed(rollup.name, async () => {
        await execute(trx, `delete from ${qualified(installation, 'pgvantage_time_table')} where name = ${quoteLiteral(rollup.name)}`)
        for (const statement of [...createRollup(target, rollup), ...noteStaleBuckets(target, rollup, rollup.source)])
          await execute(trx, statement)
        const rows = await keepRolled(trx, target, rollup, dropped)
        await hangOn(trx, installation, rollup.name, kept.get(rollup.name)!)
        return rows
      })
    }
    for (const { rollup } of policy.rollups.toReversed()) await execute(trx, `drop table ${qualified(installation, storedTable(rollup))}`)
  }
  if (to === 'community') await execute(trx, `delete from ${qualified(installation, 'pgvantage_stale_bucket')}`)
  for (const [name, moment] of dropped) {
    await sql`update ${sql.id(installation.schema, 'pgvantage_time_table')} set dropped_before = ${moment} where name = ${name}`.execute(
      trx,
    )
  }
  await sql`update ${sql.id(installation.schema, 'pgvantage_installation')} set time_rung = ${to}`.execute(trx)
}

const rollups: readonly Rollup[] = defaultPolicies.time.flatMap((policy) => policy.rollups.map(({ rollup }) => rollup))

/** The relations that a conversion makes anew or drops. */
function relations(from: TimeRung, to: TimeRung): string[] {
  const tables = from === 'native' ? defaultPolicies.time.map(({ table }) => table) : []
  const stored = from === 'native' || to === 'community' ? rollups.map(storedTable) : []
  return [...tables, ...stored, ...rollups.map(({ name }) => name)]
}

/**
 * Locks everything in the order in which writers do, the tables referred to first: a lock taken later would be waited for by somebody who waits for us.
 *
 * It waits ten seconds for them. While it waits, whoever comes later waits behind it.
 */
async function lock(trx: Kysely<{}>, installation: Installation, from: TimeRung, to: TimeRung): Promise<void> {
  const named = (names: readonly string[]) => names.map((name) => qualified(installation, name)).join(', ')
  await execute(trx, `set local lock_timeout = '10s'`)
  await execute(trx, `lock table ${named(['dim_tenant', 'dim_resource', 'log_pattern', 'oo_locator'])} in share row exclusive mode`)
  const sources = defaultPolicies.time.map(({ table }) => table)
  await execute(trx, `lock table ${named([...new Set([...sources, ...relations(from, to)])])} in access exclusive mode`)
  await execute(trx, `set local lock_timeout = 0`)
}

async function droppedBefore(trx: Kysely<{}>, { schema }: Installation): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; moment: string }>`
    select name, dropped_before::text as moment from ${sql.id(schema, 'pgvantage_time_table')}
  `.execute(trx)
  return new Map(rows.map(({ name, moment }) => [name, moment]))
}

const staleTriggers = ({ name }: Rollup) => ['insert', 'update', 'delete'].map((event) => `${name}_stale_after_${event}`)

async function dropStaleTriggers(trx: Kysely<{}>, installation: Installation, { table, rollups: [hours] }: TimePolicy): Promise<void> {
  for (const trigger of hours === undefined ? [] : staleTriggers(hours.rollup)) {
    await execute(trx, `drop trigger if exists ${quoteIdentifier(trigger)} on ${qualified(installation, table)}`)
  }
}

/**
 * Puts the rolled rows whose source is gone into the new continuous aggregate: straight into the hypertable it materializes to, which its owner may
 * write, for there is nothing left to roll them from. A refresh from the first row of the source on does not touch them.
 */
async function keepRolled(
  trx: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  dropped: ReadonlyMap<string, string>,
): Promise<number> {
  const { rows } = await sql<{ place: string; id: number }>`
    select format('%I.%I', aggregate.materialization_hypertable_schema, aggregate.materialization_hypertable_name) as place, hypertable.id
    from timescaledb_information.continuous_aggregates as aggregate
    join _timescaledb_catalog.hypertable as hypertable
      on hypertable.schema_name = aggregate.materialization_hypertable_schema and hypertable.table_name = aggregate.materialization_hypertable_name
    where aggregate.view_schema = ${installation.schema} and aggregate.view_name = ${rollup.name}
  `.execute(trx)
  const { place, id } = rows[0]!
  const columns = rollupColumns(rollup).map(quoteIdentifier).join(', ')
  const kept = await sql<{ kept: string }>`
    with kept as (
      insert into ${sql.raw(place)} (${sql.raw(columns)})
      select ${sql.raw(columns)} from ${sql.id(installation.schema, storedTable(rollup))}
      where bucket < greatest(${dropped.get(rollup.source) ?? '-infinity'}::timestamptz, (${oldestChunk(installation, rollup)}))
      returning 1
    )
    select count(*)::text as kept from kept
  `.execute(trx)
  const count = Number(kept.rows[0]!.kept)
  if (count > 0) await showKept(trx, id)
  return count
}

/**
 * Lets the aggregate show what was put into it: up to its watermark it shows what is materialized. Only a superuser may move that by hand; for others
 * the first refresh that has something to roll does it.
 */
async function showKept(trx: Kysely<{}>, hypertable: number): Promise<void> {
  await execute(trx, 'savepoint pgvantage_watermark')
  try {
    await execute(trx, `call _timescaledb_functions.cagg_migrate_update_watermark(${hypertable})`)
  } catch {
    await execute(trx, 'rollback to savepoint pgvantage_watermark')
  }
  await execute(trx, 'release savepoint pgvantage_watermark')
}

/** The beginning of the oldest chunk that a rollup is made from, directly or by way of a finer one; infinity where there is none. */
function oldestChunk({ schema }: Installation, rollup: Rollup) {
  const names = [rollup.source]
  for (let finer = finerOf(rollup); finer !== undefined; finer = finerOf(finer)) names.push(finer.source)
  return sql`
    select coalesce(min(chunk.range_start), 'infinity')
    from unnest(${names}::text[]) as wanted (name)
    left join timescaledb_information.continuous_aggregates as aggregate on aggregate.view_schema = ${schema} and aggregate.view_name = wanted.name
    join timescaledb_information.chunks as chunk
      on chunk.hypertable_schema = coalesce(aggregate.materialization_hypertable_schema, ${schema})
      and chunk.hypertable_name = coalesce(aggregate.materialization_hypertable_name, wanted.name)
  `
}

const finerOf = ({ source }: Rollup): Rollup | undefined => rollups.find(({ name }) => name === source)

/**
 * Drops the tables whose rows have moved. Not in the transaction that moved them: dropping a foreign key locks the table it refers to against
 * readers, and one that waits for us would never get what we wait for.
 */
async function dropOutgrown(connection: Kysely<{}>): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select class.relname::text as name
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = ${outgrown} and class.relkind = 'p'
    order by 1
  `.execute(connection)
  for (const { name } of rows) await execute(connection, `drop table ${qualified({ schema: outgrown }, name)}`)
  await execute(connection, `drop schema if exists ${quoteIdentifier(outgrown)}`)
}
