import { sql } from 'kysely'
import { qualified } from '../../src/database/installation/installation.ts'
import type { Scope } from '../../src/database/scope.ts'
import { bucketOf, rolledRows, rollupColumns, storedTable, type Rollup } from '../../src/lifecycle/rollups/rollup.ts'

/** Rolls all of a rollup's buckets before a time, as maintenance or the server's own job would. */
export async function rollBefore({ db, installation, id }: Scope, rollup: Rollup, until: Date): Promise<void> {
  if (installation.timeRung === 'community') {
    await sql`call refresh_continuous_aggregate(${qualified(installation, rollup.name)}::text::regclass, null, ${until}::timestamptz)`.execute(
      db,
    )
    return
  }
  const before = `${bucketOf(installation, rollup)} < timestamptz '${until.toISOString()}'`
  const columns = rollupColumns(rollup).join(', ')
  await sql`delete from ${id(storedTable(rollup))}`.execute(db)
  await sql
    .raw(`insert into ${qualified(installation, storedTable(rollup))} (${columns}) ${rolledRows(installation, rollup, before)}`)
    .execute(db)
  await sql`update ${id('pgvantage_time_table')} set rolled_until = ${until} where name = ${rollup.name}`.execute(db)
}
