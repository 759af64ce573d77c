import { dropBatches, dropExpired, expiredChunks, type ExpiringTable } from '../../lifecycle/partitions/dropExpired.ts'
import type { MaintenanceRun } from './run.ts'

/**
 * Drops the chunks of a table that are older than its retention, several in a transaction; if that
 * fails, one by one.
 */
export async function dropOld(run: MaintenanceRun, cut: ExpiringTable): Promise<void> {
  const before = run.expiredBefore(cut.name)
  if (before === null) return
  await run.attempt('drop', cut.table, { from: null, to: before }, async () => {
    for (const batch of dropBatches(await expiredChunks(run.db, run.installation, cut, before))) {
      const stretch = { from: batch[0]!.from, to: batch.at(-1)!.to }
      try {
        await drop(run, cut, batch)
      } catch (error) {
        if (batch.length === 1) run.failed('drop', cut.table, stretch, error)
        else
          for (const chunk of batch) await run.attempt('drop', cut.table, { from: chunk.from, to: chunk.to }, () => drop(run, cut, [chunk]))
      }
    }
  })
}

async function drop(run: MaintenanceRun, cut: ExpiringTable, batch: Parameters<typeof dropExpired>[3]): Promise<void> {
  const began = run.begin()
  const attempted = await dropExpired(run.db, run.installation, cut, batch, run.locks(cut.table))
  if (!attempted.done) {
    run.locked('drop', cut.table, { from: batch[0]!.from, to: batch.at(-1)!.to }, attempted.attempts)
    return
  }
  const dropped = attempted.result.filter(({ outcome }) => outcome === 'dropped')
  if (dropped.length > 0) {
    const stretch = { from: dropped[0]!.chunk.from, to: dropped.at(-1)!.chunk.to }
    run.did(
      'drop',
      cut.table,
      stretch,
      dropped.reduce((sum, { rows }) => sum + rows, 0),
      began,
    )
  }
  for (const { chunk, outcome } of attempted.result) if (outcome === 'stale') run.stale(cut.table, chunk, attempted.attempts)
}
