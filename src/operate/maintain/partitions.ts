import { addPartition } from '../../lifecycle/partitions/addPartition.ts'
import type { ExpiringTable } from '../../lifecycle/partitions/dropExpired.ts'
import { chunksAround } from '../../lifecycle/partitions/chunkGrid.ts'
import { partitionsOf, uncovered } from '../../lifecycle/partitions/partition.ts'
import type { Stretch } from '../../lifecycle/statement.ts'
import { strayChunks } from '../../lifecycle/partitions/strayChunks.ts'
import type { MaintenanceRun } from './run.ts'

/**
 * Creates partitions, first for rows in the default partition, then for the future: by then the
 * default partition is empty, and attaching a partition reads all of it.
 *
 * Of the waiting rows the newest go first, up to the limit of a run; the next run does the rest.
 */
export async function makePartitions(run: MaintenanceRun, cut: ExpiringTable): Promise<void> {
  const expired = run.expiredBefore(cut.name)
  const ahead = chunksAround(cut.chunk, run.now)
  await run.attempt('partition', cut.table, { from: null, to: null }, async () => {
    // Rows about to be dropped get no partition.
    const strays = (await strayChunks(run.db, run.installation, cut)).filter(({ to }) => expired === null || to > expired).reverse()
    for (const stretch of strays.slice(0, run.maxChunks)) await makePartition(run, cut.table, stretch)
    const rest = strays[run.maxChunks]
    if (rest !== undefined) run.left('partition', cut.table, { from: strays.at(-1)!.from, to: rest.to })
  })
  for (const stretch of ahead.filter(({ to }) => expired === null || to > expired)) await makePartition(run, cut.table, stretch)
}

/** Creates a partition for a stretch unless there is one; returns whether it was created. */
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
