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

/** Whatever is younger than this is rolled before anything older is, of all tables. */
const recent = 31 * 86_400_000

/** So many units in a row that the server cannot do are taken for all that is left. */
const patience = 3

/**
 * Rolls all rollups up, the newest buckets first: of every table those of the last month, and then
 * what is older, as much of it as a run may make chunks for. So nobody's newest hours wait for what
 * somebody writes about the past.
 */
export async function rollAll(run: MaintenanceRun, time: readonly TimePolicy[]): Promise<void> {
  for (const policy of time) await rollLadder(run, policy, rollRecent)
  if (run.installation.timeRung === 'community') return
  for (const policy of time) await rollLadder(run, policy, rollOld)
}

/** The finer before the coarser, which is made from it. */
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
  // Of the last month, too: rolling old hours has made the day stale at which the month begins.
  const [newest] = await newestStale(run.db, run.installation, rollup, { from: null, before: horizon, limit: 1 })
  if (newest === undefined) return
  const kept = keptSince(run, coarser)
  if (kept !== null) await forgetBefore(run.db, run.installation, rollup, kept)
  await rollBackTo(run, rollup, { from: null, before: horizon })
  await advanceTo(run.db, run.installation, rollup, horizon)
}

/** Each unit waits its turn; who is in the way of the first is told. */
async function waitForOthers({ db, installation, onWait }: MaintenanceRun, { name }: Rollup): Promise<void> {
  if (onWait !== undefined) await asOwner(db, installation, (trx) => takeTurn(trx, rollTurn(installation, name), onWait))
}

const horizonOf = (run: MaintenanceRun, { rollup, settle }: RollupPolicy): Date => {
  const policy = run.applied.find((applied) => applied.kind === 'refresh' && applied.object === rollup.name)
  return rollHorizon(rollup, policy?.kind === 'refresh' ? policy.settings.settle : settle, run.now)
}

/**
 * What ended before it is kept by none of these rollups, so rolling it would be for nothing; null
 * where one of them keeps everything.
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
 * Rolls marked buckets, unit by unit, from the newest before `before` back to `from`; null: back to
 * the first, as long as that makes no more chunks than a run may.
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

/** Those of the buckets, the newest first, that lie in no more chunks than a run may make. */
function within(run: MaintenanceRun, rollup: Rollup, buckets: readonly Date[], chunks: Set<number>): Date[] {
  const first = buckets.findLastIndex((bucket) => {
    const number = chunkNumber(rollup.chunk, bucket)
    if (!chunks.has(number) && chunks.size >= run.maxChunks) return true
    chunks.add(number)
    return false
  })
  return buckets.slice(first + 1)
}

/** Else what is rolled would lie in the default partition, to be moved by the next run. */
async function partitionsFor(run: MaintenanceRun, rollup: Rollup, buckets: readonly Date[]): Promise<void> {
  const expired = run.expiredBefore(rollup.name)
  for (const number of new Set(buckets.map((bucket) => chunkNumber(rollup.chunk, bucket)))) {
    const stretch = chunkStretch(rollup.chunk, number)
    if (expired === null || stretch.to > expired) await makePartition(run, storedTable(rollup), stretch)
  }
}

/**
 * Rolls a unit, and where it fails for what the rows hold, bucket by bucket; false where it failed
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
