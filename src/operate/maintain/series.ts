import { randomBytes } from 'node:crypto'
import { sql, type RawBuilder } from 'kysely'
import { seriesTurn } from '../../database/transaction/seriesTurn.ts'
import { takeTurn } from '../../database/transaction/takeTurn.ts'
import { withShortLocks } from '../../lifecycle/partitions/shortLock.ts'
import { storedTable } from '../../lifecycle/rollups/rollup.ts'
import { metricPolicy } from '../../metrics/metricPolicy.ts'
import type { MaintenanceRun } from './run.ts'

/** How many series one run looks at. */
const most = 2_000

/**
 * Deletes series that have no row left, neither by the minute nor rolled up.
 *
 * A run looks at 2,000 of them, from a random one on, so that many short runs reach all. A series is
 * deleted only while no transaction runs that has written metrics: it may have written a row of it.
 */
export async function forgetSeries(run: MaintenanceRun): Promise<void> {
  const object = 'metric_series'
  const always = { from: null, to: run.now }
  await run.attempt('expire', object, always, async () => {
    const began = run.begin()
    const series = sql.id(run.installation.schema, object)
    const unused = hasNoRow(run)
    const start = sql`${String(randomBytes(8).readBigInt64LE())}::int8`
    const { rows } = await sql<{ id: string }>`
      select known.series_id::text as id
      from (
        (select series_id from ${series} where series_id >= ${start} order by series_id limit ${sql.lit(most)})
        union all
        (select series_id from ${series} where series_id < ${start} order by series_id limit ${sql.lit(most)})
        limit ${sql.lit(most)}
      ) as known
      where ${unused}
    `.execute(run.db)
    if (rows.length === 0) return
    const ids = rows.map(({ id }) => id)
    const attempted = await withShortLocks(
      run.db,
      run.installation,
      async (trx) => {
        await takeTurn(trx, seriesTurn(run.installation))
        const { numAffectedRows = 0n } = await sql`
          delete from ${series} as known where known.series_id = any(${ids}::int8[]) and ${unused}
        `.execute(trx)
        return Number(numAffectedRows)
      },
      run.locks(object),
    )
    if (!attempted.done) run.left('expire', object, always)
    else if (attempted.result > 0) run.did('expire', object, always, attempted.result, began)
  })
}

/** A lookup in each table, not a join, which could read all of them. */
function hasNoRow({ installation: { schema, timeRung } }: MaintenanceRun): RawBuilder<boolean> {
  const { table, rollups } = metricPolicy
  const tables = [table, ...rollups.map(({ rollup }) => (timeRung === 'community' ? rollup.name : storedTable(rollup)))]
  return sql<boolean>`${sql.join(
    tables.map((name) => sql`(select true from ${sql.id(schema, name)} as row where row.series_id = known.series_id limit 1) is null`),
    sql` and `,
  )}`
}
