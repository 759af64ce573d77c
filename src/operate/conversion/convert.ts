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
  /** What was moved, in order; `rows` is null for a relation that is computed again from others. */
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
  /** Called with the session waited for. */
  onWait?: OnWait
  signal?: AbortSignal
}

/**
 * Moves the rollup tables to what the server can do now; returns null if there is nothing to gain.
 *
 * | | |
 * |---|---|
 * | transaction | one: it succeeds as a whole, or changes nothing |
 * | locks | blocks readers and writers of the rollup tables until it commits, and writers of the catalog tables they refer to |
 * | duration | partitions are copied into hypertables row by row: 22 s for 1,000,161 rows of `metric_1m`, with all constraints and indexes, on two cores |
 * | kept | columns, constraints, indexes, triggers, comments, owners and grants, including those you added |
 * | refused before any lock | an object attached to a table itself, such as a view of yours |
 *
 * Hours and days become continuous aggregates. Buckets whose source is dropped are copied into
 * them; the refresh at the beginning of `applyPolicies` rolls up all others. Unless a superuser
 * converts, the copied buckets are not visible until a refresh has rolled up something.
 *
 * A scope remembers the rung of the tables from when it was made: make new scopes, or restart the
 * program.
 *
 * @throws VantageError (`CONVERT_FAILED`) naming the obstacle, with the server's error as its cause
 * if there is one.
 */
export async function convert(
  connection: Kysely<{}>,
  { schema, onStep, onWait, signal }: ConvertOptions = {},
): Promise<ConvertReport | null> {
  await dropOutgrown(connection)
  if ((await unobstructed(connection, schema)) === null) return null
  // In a transaction of its own: even if the conversion fails, the extension is there for the next
  // attempt. Only the installed extension shows its licence, and so how far the tables can move.
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

/** The possible conversion; throws if there is an obstacle. */
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
  // Another process converted while we waited for our turn.
  if (installation.timeRung !== fromRung) return
  const target: Installation = { ...installation, timeRung: toRung }
  await lock(trx, installation, fromRung, toRung)
  // With an otherwise empty search path every name is printed with its schema.
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
 * Locks everything in the order that writers use, referenced tables first: a later lock could
 * deadlock.
 *
 * It waits ten seconds for the locks; other sessions that come during this time wait behind it.
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
