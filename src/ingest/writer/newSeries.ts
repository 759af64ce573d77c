import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { seriesTurn } from '../../database/transaction/seriesTurn.ts'
import { sharedTurnLock, turnLock } from '../../database/transaction/takeTurn.ts'
import type { MetricRow } from '../rollups/windows/ingestWindow.ts'
import { jsonChunks } from './jsonChunks.ts'

/**
 * Waits for other transactions of the tenant that add series or have the first rows of their last
 * day, if these rows do, and lets others that do wait until this one ends.
 *
 * The trigger of `metric_1m` writes the series of each statement in the order of their ids, which is
 * not the order of the statements: two transactions could wait for each other's. Transactions whose
 * series are all known, with a day as late, wait for nobody.
 */
export async function takeTurnForNewSeries(
  scope: Scope,
  series: readonly (readonly MetricRow[])[],
  resourceIds: ReadonlyMap<string, string>,
): Promise<void> {
  // As the trigger does: from here on no series is removed. The next statement sees which are left.
  await sql`select from ${sharedTurnLock(seriesTurn(scope.installation))} as turn`.execute(scope.db)
  const keys = series.map((rows) => {
    const { resource, metric, labels, bucket } = rows.at(-1)!
    return { resource_id: resourceIds.get(resource), metric, labels, bucket }
  })
  for (const chunk of jsonChunks(keys)) {
    const { rows } = await sql<{ found: boolean }>`
      select exists (
        select from jsonb_to_recordset(${chunk}::jsonb) as given (resource_id int8, metric text, labels jsonb, bucket timestamptz)
        where not exists (
          select from ${scope.id('metric_series')} as known
          where known.last_day >= (given.bucket at time zone 'UTC')::date
            -- The generated column of the table.
            and known.series_id =
            ('x' || left(md5(${scope.tenantId}::text || ' ' || given.resource_id::text || ' ' || given.labels::text || ' ' || given.metric), 16))::bit(64)::int8
        )
      ) as found
    `.execute(scope.db)
    if (!rows[0]!.found) continue
    await sql`select from ${turnLock(newSeriesTurn(scope))} as turn`.execute(scope.db)
    return
  }
}

const newSeriesTurn = ({ installation, tenantId }: Scope): string =>
  `pgvantage new series ${quoteIdentifier(installation.schema)} ${tenantId}`
