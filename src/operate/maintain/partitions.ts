import { addPartition } from '../../lifecycle/partitions/addPartition.ts'
import type { ExpiringTable } from '../../lifecycle/partitions/dropExpired.ts'
import { chunksAround } from '../../lifecycle/partitions/chunkGrid.ts'
import { partitionsOf, uncovered } from '../../lifecycle/partitions/partition.ts'
import type { Stretch } from '../../lifecycle/statement.ts'
import { strayChunks } from '../../lifecycle/partitions/strayChunks.ts'
import type { MaintenanceRun } from './run.ts'

/**
 * Rows that were waiting for a partition first, those of the future after: by then the default
 * partition is empty, and attaching reads all of it.
 *
 * Of what waits the newest goes first, and no more of it than a run may make; the rest is left for
 * the next.
 */
export async function makePartitions(run: MaintenanceRun, cut: ExpiringTable): Promise<void> {
  const expired = run.expiredBefore(cut.name)
  const ahead = chunksAround(cut.chunk, run.now)
  await run.attempt('partition', cut.table, { from: null, to: null }, async () => {
    // What is about to be dropped gets no partition to be dropped with.
    const strays = (await strayChunks(run.db, run.installation, cut)).filter(({ to }) => expired === null || to > expired).reverse()
    for (const stretch of strays.slice(0, run.maxChunks)) await makePartition(run, cut.table, stretch)
    const rest = strays[run.maxChunks]
    if (rest !== undefined) run.left('partition', cut.table, { from: strays.at(-1)!.from, to: rest.to })
  })
  for (const stretch of ahead.filter(({ to }) => expired === null || to > expired)) await makePartition(run, cut.table, stretch)
}

/** Gives a stretch a partition, unless it has one; whether it had to be made. */
export async function makePartition(run: MaintenanceRun, table: string, stretch: Stretch): Promise<boolean> {
  let made = false
  await run.attempt('partition', table, stretch, async () => {
    for (const part of uncovered(stretch, await partitionsOf(run.db, run.installation, table))) {
      const began = run.begin()
      const attempted = await addPartition(run.db, run.installation, table, part, run.locks(table))
      if (!attempted.done) run.locked('partition', table, part, attempted.attempts)
      else if (attempted.result !== null) {
        made = true
        run.did('partition', table, part, attempted.result, began)
      }
    }
  })
  return made
}
