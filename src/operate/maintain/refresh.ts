import { sql } from 'kysely'
import { bucketStart, firstBucketFrom } from '../../database/buckets.ts'
import { milliseconds } from '../../database/range.ts'
import { chunkNumber, chunkStretch } from '../../lifecycle/partitions/chunkGrid.ts'
import { closedBuckets, invalidStretches, refreshAggregate, type RefreshWindow } from '../../lifecycle/rollups/refreshAggregate.ts'
import { rollHorizon } from '../../lifecycle/rollups/rollStale.ts'
import type { Rollup } from '../../lifecycle/rollups/rollup.ts'
import type { RollupPolicy } from '../../lifecycle/timePolicy.ts'
import type { MaintenanceRun } from './run.ts'

/**
 * Refreshes what lies before the window of the server's job, which does the rest; everything if
 * there is no job.
 */
export async function refreshRollup(
  run: MaintenanceRun,
  { rollup, settle }: RollupPolicy,
  source: { name: string; chunk: string },
): Promise<void> {
  const job = run.applied.find((policy) => policy.kind === 'refresh' && policy.object === rollup.name)
  const to =
    job?.kind === 'refresh'
      ? firstBucketFrom(rollup.bucket, new Date(run.now.getTime() - milliseconds(job.settings.start)))
      : rollHorizon(rollup, settle, run.now)
  const closed = await closedBefore(run, source)
  const from = closed === null ? null : firstBucketFrom(rollup.bucket, closed)
  if (from === null || from < to) {
    const invalid = await invalidStretches(run.db, run.installation, rollup, { from, to })
    if (invalid.length > 0) await refreshOrParts(run, rollup, { from, to }, invalid)
  }
  if (from === null) return
  const { open, tooLate } = await closedBuckets(run.db, run.installation, rollup, from)
  for (const stretch of open) await run.attempt('refresh', rollup.name, stretch, () => refresh(run, rollup, stretch))
  run.tooLate(rollup.name, tooLate)
}

async function refresh(run: MaintenanceRun, rollup: Rollup, stretch: RefreshWindow): Promise<void> {
  const began = run.begin()
  await refreshAggregate(run.db, run.installation, rollup, stretch)
  run.did('refresh', rollup.name, stretch, null, began)
}

/**
 * Refreshes everything that changed at once. If that fails, each part, the newest first, so that
 * one failing part does not stop the others.
 */
async function refreshOrParts(run: MaintenanceRun, rollup: Rollup, whole: RefreshWindow, invalid: readonly RefreshWindow[]): Promise<void> {
  try {
    return await refresh(run, rollup, whole)
  } catch (error) {
    if (invalid.length === 1) return run.failed('refresh', rollup.name, whole, error)
  }
  for (const part of invalid.toReversed()) {
    const stretch = {
      from: part.from === null || (whole.from !== null && part.from < whole.from) ? whole.from : bucketStart(rollup.bucket, part.from),
      to: part.to === null || (whole.to !== null && part.to > whole.to) ? whole.to : firstBucketFrom(rollup.bucket, part.to),
    }
    await run.attempt('refresh', rollup.name, stretch, () => refresh(run, rollup, stretch))
  }
}

/**
 * The time before which chunks may be dropped. The server drops chunks that ended before the
 * retention began. An earlier, shorter retention dropped more, which was recorded when it was
 * changed.
 */
async function closedBefore(run: MaintenanceRun, { name, chunk }: { name: string; chunk: string }): Promise<Date | null> {
  const { rows } = await sql<{ dropped: Date | null }>`
    select nullif(dropped_before, '-infinity') as dropped from ${sql.id(run.installation.schema, 'pgvantage_time_table')} where name = ${name}
  `.execute(run.db)
  const noted = rows[0]?.dropped ?? null
  const before = run.expiredBefore(name)
  const closed = before === null ? null : chunkStretch(chunk, chunkNumber(chunk, before)).from
  return closed === null || (noted !== null && noted > closed) ? noted : closed
}
