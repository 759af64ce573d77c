import type { Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'
import { durationOf } from '../../database/range.ts'
import { asOwner } from '../../database/transaction/asOwner.ts'
import { execute } from '../../lifecycle/statement.ts'
import type { AppliedPolicy } from '../policies/appliedPolicies.ts'
import { noteDropped } from '../apply/noteDropped.ts'
import { policyJobs } from '../apply/policyJobs.ts'

/**
 * Records the time before which jobs that pgvantage did not create may have dropped rows. They drop
 * at any time, and rolling up a dropped range would delete its rolled-up rows, so every roll-up
 * asks first.
 *
 * @param tables the tables that are rolled up, with the length of their chunks.
 */
export async function noteDroppedByOthers(
  db: Kysely<{}>,
  installation: Installation,
  applied: readonly AppliedPolicy[],
  tables: readonly { name: string; chunk: string }[],
): Promise<void> {
  const ours = new Set(applied.map(({ jobId }) => jobId))
  const jobs = await policyJobs(
    db,
    installation,
    tables.map(({ name }) => name),
  )
  for (const { id, object, kind, after } of jobs) {
    const chunk = tables.find(({ name }) => name === object)?.chunk
    if (kind !== 'retention' || after === null || chunk === undefined || ours.has(id)) continue
    await asOwner(db, installation, (trx) => execute(trx, noteDropped(installation, { object }, chunk, durationOf(after))))
  }
}
