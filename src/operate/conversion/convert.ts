import { sql, type Kysely } from 'kysely'
import { findInstallation, qualified, type Installation, type TimeRung } from '../../database/installation/installation.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { patient, pinned, setSettings } from '../../database/transaction/settings.ts'
import { takeTurn, type OnWait } from '../../database/transaction/takeTurn.ts'
import { createRollup, noteStaleBuckets, storedTable, type Rollup } from '../../lifecycle/rollups/rollup.ts'
import { execute } from '../../lifecycle/statement.ts'
import type { TimePolicy } from '../../lifecycle/timePolicy.ts'
import { VantageError } from '../../schema/errors.ts'
import { extensionSearchPath } from '../extensions.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'
import { policiesTurn } from '../policies/policiesTurn.ts'
import { hangOn, readAttachments, type Attachments } from './attachments.ts'
import { keepRolled } from './keepRolled.ts'
import { moveToHypertable } from './moveToHypertable.ts'
import { dropOutgrown, outgrown } from './outgrown.ts'
import { planConversion, type Conversion } from './planConversion.ts'
import { relations, rollups } from './rebuilt.ts'

export interface ConvertReport extends Pick<Conversion, 'fromRung' | 'toRung'> {
  /** What was moved, in order; `rows` is null for what is made again from other rows. */
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
 * Moves the rollup tables up to what the server can do now, or returns null when there is nothing
 * to gain.
 *
 * Everything happens in one transaction, for the installation is on one rung: it is up afterwards,
 * or as it was. It blocks readers and writers of the rollup tables until it commits, and writers of
 * the catalog tables they refer to; partitions are copied into hypertables row by row, so the time
 * grows with them. Columns, constraints, indexes, triggers, comments, owners and grants come along,
 * also those you added. What hangs on a table itself, such as a view of yours, is refused before
 * anything is locked.
 *
 * Hours and days become continuous aggregates empty; those that their source no longer holds are
 * put into them as they were, all others are rolled from the source by the refresh that applying
 * the policies begins with. Unless a superuser converts, hours and days of dropped sources are not
 * seen until a refresh has had something to roll.
 *
 * A scope remembers on which rung the tables stood when it was made: make new ones, or restart what
 * holds them.
 *
 * Measured on two cores, 1,000,161 rows of `metric_1m` from partitions to a hypertable: 22 s,
 * 45,000 rows a second with all constraints and indexes; a writer and a reader of the table waited
 * 23 s, readers of the catalog tables not at all.
 *
 * @throws VantageError (`CONVERT_FAILED`) naming what stands in the way, with the server's error as
 * its cause where there is one.
 */
export async function convert(
  connection: Kysely<{}>,
  { schema, onStep, onWait, signal }: ConvertOptions = {},
): Promise<ConvertReport | null> {
  await dropOutgrown(connection)
  if ((await unobstructed(connection, schema)) === null) return null
  // In a transaction of its own: whatever becomes of the conversion, the extension is there for the
  // next try. Only its licence tells how far up it goes.
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
  const inTurn = async (trx: Kysely<{}>) => {
    await takeTurn(trx, policiesTurn, onWait)
    await moveUp(trx, schema, possible, timed)
  }
  try {
    await inTransaction(connection, inTurn, patient(pinned))
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new VantageError(`convert: ${reason}; everything was rolled back`, { code: 'CONVERT_FAILED', cause })
  }
  await dropOutgrown(connection)
  return { fromRung: possible.fromRung, toRung: possible.toRung, steps }
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

async function moveUp(trx: Kysely<{}>, schema: string | undefined, { fromRung, toRung }: Conversion, timed: Timed): Promise<void> {
  const installation = await findInstallation(trx, schema)
  // Somebody else was faster, while we waited for our turn.
  if (installation.timeRung !== fromRung) return
  const target: Installation = { ...installation, timeRung: toRung }
  await lock(trx, installation, fromRung, toRung)
  // With nothing else on the path every name is printed with its schema.
  await setSettings(trx, { search_path: 'pg_catalog' })
  const kept = new Map<string, Attachments>()
  for (const name of relations(fromRung, toRung)) kept.set(name, await readAttachments(trx, installation, name))
  const dropped = await droppedBefore(trx, installation)
  await execute(trx, extensionSearchPath)
  await execute(trx, `create schema if not exists ${quoteIdentifier(outgrown)}`)
  for (const rollup of rollups.toReversed()) await execute(trx, `drop view ${qualified(installation, rollup.name)}`)
  const ours = new Set(rollups.flatMap((rollup) => staleTriggers(rollup)))
  for (const policy of defaultPolicies.time) {
    const tables = [
      { name: policy.table, chunk: policy.chunk },
      ...(toRung === 'community' ? [] : policy.rollups.map(({ rollup }) => ({ name: storedTable(rollup), chunk: rollup.chunk }))),
    ]
    if (fromRung === 'native') {
      for (const { name, chunk } of tables) {
        await timed(name, () =>
          moveToHypertable(
            trx,
            installation,
            { name, time: 'bucket', chunk },
            kept.get(name)!,
            (trigger) => toRung !== 'community' || !ours.has(trigger),
          ),
        )
      }
    }
    if (toRung === 'apache') {
      for (const { rollup } of policy.rollups) {
        await execute(trx, `create view ${qualified(installation, rollup.name)} as ${kept.get(rollup.name)!.query}`)
        await hangOn(trx, installation, rollup.name, kept.get(rollup.name)!)
      }
      continue
    }
    if (fromRung === 'apache') await dropStaleTriggers(trx, installation, policy)
    for (const { rollup } of policy.rollups) {
      await timed(rollup.name, async () => {
        await sql`delete from ${sql.id(installation.schema, 'pgvantage_time_table')} where name = ${rollup.name}`.execute(trx)
        for (const statement of [...createRollup(target, rollup), ...noteStaleBuckets(target, rollup, rollup.source)])
          await execute(trx, statement)
        const rows = await keepRolled(trx, target, rollup, dropped)
        await hangOn(trx, installation, rollup.name, kept.get(rollup.name)!)
        return rows
      })
    }
    for (const { rollup } of policy.rollups.toReversed()) await execute(trx, `drop table ${qualified(installation, storedTable(rollup))}`)
  }
  if (toRung === 'community') await sql`delete from ${sql.id(installation.schema, 'pgvantage_stale_bucket')}`.execute(trx)
  for (const [name, moment] of dropped) {
    await sql`update ${sql.id(installation.schema, 'pgvantage_time_table')} set dropped_before = ${moment} where name = ${name}`.execute(
      trx,
    )
  }
  await sql`update ${sql.id(installation.schema, 'pgvantage_installation')} set time_rung = ${toRung}`.execute(trx)
}

/**
 * Locks everything in the order in which writers do, the tables referred to first: a lock taken
 * later would be waited for by somebody who waits for us.
 *
 * It waits ten seconds for them. While it waits, those who come later wait behind it.
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
