import { milliseconds } from '../../database/range.ts'
import { rollTurn } from '../../database/transaction/rollTurn.ts'
import { isAboutOne, isAboutRows } from '../../database/sqlState.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { chunkNumber, chunkStretch } from '../../lifecycle/partitions/chunkGrid.ts'
import {
  advanceTo,
  forgetBefore,
  retrySetAside,
  rollApart,
  rollHorizon,
  rollMarked,
  unitBuckets,
  type RolledUnit,
} from '../../lifecycle/rollups/rollStale.ts'
import { storedTable, type Rollup } from '../../lifecycle/rollups/rollup.ts'
import { newestStale } from '../../lifecycle/rollups/staleMarks.ts'
import { summarizeNewRows } from '../../lifecycle/rollups/summarize.ts'
import type { RollupPolicy, TimePolicy } from '../../lifecycle/timePolicy.ts'
import { makePartition } from './partitions.ts'
import { refreshRollup } from './refresh.ts'
import type { MaintenanceRun } from './run.ts'

/** Buckets younger than this are rolled up before older ones, over all tables. */
const recent = 31 * 86_400_000

/** After this many failed units in a row the remaining ones are considered failed too. */
const patience = 3

/**
 * Rolls up all rollups, the newest buckets first: the last month of every table, then older
 * buckets, as many as the chunk limit of a run allows. So the newest hours do not wait for writes
 * to the past.
 */
export async function rollAll(run: MaintenanceRun, time: readonly TimePolicy[]): Promise<void> {
  for (const policy of time) await rollLadder(run, policy, rollRecent)
  if (run.installation.timeRung === 'community') return
  for (const policy of time) await rollLadder(run, policy, rollOld)
}

/** The finer rollup before the coarser one, which is computed from it. */
async function rollLadder(run: MaintenanceRun, { table, chunk, rollups }: TimePolicy, roll: typeof rollRecent): Promise<void> {
  let source = { name: table, chunk }
  for (const [at, policy] of rollups.entries()) {
    const kind = run.installation.timeRung === 'community' ? 'refresh' : 'roll'
    await run.attempt(kind, policy.rollup.name, { from: null, to: null }, async () => {
      if (kind === 'refresh') await refreshRollup(run, policy, source)
      else await roll(run, policy, rollups.slice(at))
    })
    source = policy.rollup
  }
}

async function rollRecent(run: MaintenanceRun, policy: RollupPolicy, _coarser: readonly RollupPolicy[]): Promise<void> {
  const { rollup } = policy
  await waitForOthers(run, rollup)
  const horizon = horizonOf(run, policy)
  await retrySetAside(run.db, run.installation, rollup)
  await summarizeNewRows(run.db, run.installation, rollup.source, { signal: run.signal })
  await rollBackTo(run, rollup, { from: new Date(horizon.getTime() - recent), before: horizon })
  await advanceTo(run.db, run.installation, rollup, horizon)
}

async function rollOld(run: MaintenanceRun, policy: RollupPolicy, coarser: readonly RollupPolicy[]): Promise<void> {
  const { rollup } = policy
  const horizon = horizonOf(run, policy)
  // Also in the last month: rolling up old hours has made the day stale with which the month
  // begins.
  const [newest] = await newestStale(run.db, run.installation, rollup, { from: null, before: horizon, limit: 1 })
  if (newest === undefined) return
  const kept = keptSince(run, coarser)
  if (kept !== null) await forgetBefore(run.db, run.installation, rollup, kept)
  await rollBackTo(run, rollup, { from: null, before: horizon })
  await advanceTo(run.db, run.installation, rollup, horizon)
}

/** Each unit waits for its turn; the session in the way of the first one is reported. */
async function waitForOthers({ db, installation, onWait }: MaintenanceRun, { name }: Rollup): Promise<void> {
  if (onWait !== undefined) await asOwner(db, installation, (trx) => takeTurn(trx, rollTurn(installation, name), onWait))
}

const horizonOf = (run: MaintenanceRun, { rollup, settle }: RollupPolicy): Date => {
  const policy = run.applied.find((applied) => applied.kind === 'refresh' && applied.object === rollup.name)
  return rollHorizon(rollup, policy?.kind === 'refresh' ? policy.settings.settle : settle, run.now)
}

/**
 * The time before which all of these rollups drop their buckets, so that rolling up would be
 * useless; null if one of them keeps everything.
 */
function keptSince(run: MaintenanceRun, rollups: readonly RollupPolicy[]): Date | null {
  const kept = rollups.map(({ rollup }) => {
    const expired = run.expiredBefore(rollup.name)
    return expired === null ? null : chunkStretch(rollup.chunk, chunkNumber(rollup.chunk, expired)).from
  })
  if (kept.includes(null)) return null
  return new Date(Math.min(...kept.map((moment) => moment!.getTime())))
}

/**
 * Rolls up marked buckets, unit by unit, from the newest before `before` back to `from`. If `from`
 * is null, back to the first, up to the chunk limit of a run.
 */
async function rollBackTo(run: MaintenanceRun, rollup: Rollup, { from, before }: { from: Date | null; before: Date }): Promise<void> {
  const chunks = new Set<number>()
  let failures = 0
  for (let below = before; ;) {
    const stale = await newestStale(run.db, run.installation, rollup, { from, before: below, limit: unitBuckets(rollup) })
    const buckets = from === null ? within(run, rollup, stale, chunks) : stale
    if (buckets.length > 0) {
      if (run.installation.timeRung === 'native') await partitionsFor(run, rollup, buckets)
      failures = (await rollUnit(run, rollup, buckets)) ? 0 : failures + 1
      below = buckets[0]!
    }
    if (buckets.length < stale.length || (failures === patience && stale.length > 0)) {
      run.left('roll', rollup.name, { from, to: below })
      return
    }
    if (stale.length === 0) return
  }
}

/** The newest of the buckets that fit in the chunk limit of a run. */
function within(run: MaintenanceRun, rollup: Rollup, buckets: readonly Date[], chunks: Set<number>): Date[] {
  const first = buckets.findLastIndex((bucket) => {
    const number = chunkNumber(rollup.chunk, bucket)
    if (!chunks.has(number) && chunks.size >= run.maxChunks) return true
    chunks.add(number)
    return false
  })
  return buckets.slice(first + 1)
}

/**
 * Without them the rolled-up rows would be in the default partition, and the next run would move
 * them.
 */
async function partitionsFor(run: MaintenanceRun, rollup: Rollup, buckets: readonly Date[]): Promise<void> {
  const expired = run.expiredBefore(rollup.name)
  for (const number of new Set(buckets.map((bucket) => chunkNumber(rollup.chunk, bucket)))) {
    const stretch = chunkStretch(rollup.chunk, number)
    if (expired === null || stretch.to > expired) await makePartition(run, storedTable(rollup), stretch)
  }
}

/**
 * Rolls up a unit; if it fails because of its rows, bucket by bucket. Returns false if it failed
 * for another reason.
 */
async function rollUnit(run: MaintenanceRun, rollup: Rollup, buckets: readonly Date[]): Promise<boolean> {
  const note = (unit: RolledUnit, began: number) => {
    run.tooLate(rollup.name, unit.tooLate)
    if (unit.buckets > 0) run.did('roll', rollup.name, unit.stretch, unit.rows, began)
  }
  const stretch = { from: buckets[0]!, to: new Date(buckets.at(-1)!.getTime() + milliseconds(rollup.bucket)) }
  let began = run.begin()
  try {
    for (let again = true; again; began = run.begin()) {
      const unit = await rollMarked(run.db, run.installation, rollup, buckets)
      note(unit, began)
      again = unit.again
    }
    return true
  } catch (error) {
    if (!isAboutOne(error)) throw error
    if (!isAboutRows(error)) {
      run.failed('roll', rollup.name, stretch, error)
      return false
    }
  }
  if (buckets.length > 1) {
    for (const bucket of buckets.toReversed()) await rollUnit(run, rollup, [bucket])
    return true
  }
  await run.attempt('roll', rollup.name, stretch, async () => {
    for (let again = true; again;) {
      began = run.begin()
      const unit = await rollApart(run.db, run.installation, rollup, buckets[0]!, isAboutRows)
      note(unit, began)
      for (const { tenantId, error } of unit.setAside) run.failed('roll', rollup.name, unit.stretch, error, tenantId)
      again = unit.again
    }
  })
  return true
}
