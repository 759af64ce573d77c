import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { quoteIdentifier } from '../../database/sql/identifier.ts'
import { seriesTurn } from '../../database/transaction/seriesTurn.ts'
import { sharedTurnLock, turnLock } from '../../database/transaction/takeTurn.ts'
import { jsonChunks } from './jsonChunks.ts'
import type { MetricSeries } from './metricBatches.ts'

/**
 * Waits for other transactions of the tenant that add series or have the first rows of their last
 * day, if these rows do, and lets others that do wait until this one ends.
 *
 * The trigger of `metric_1m` writes the series of each statement in the order of their ids, which
 * is not the order of the statements: two transactions could wait for each other's. Transactions
 * whose series are all known, with a day as late, wait for nobody.
 */
export async function takeTurnForNewSeries(
  scope: Scope,
  series: readonly MetricSeries[],
  resourceIds: ReadonlyMap<string, string>,
  known: KnownSeries,
): Promise<void> {
  const withDays = series.map(({ key, rows }) => `${Math.floor(rows.at(-1)!.bucket.getTime() / dayMilliseconds)} ${key}`)
  if (withDays.every((key) => known.has(key))) return
  known.note(withDays)
  // As the trigger does: from here on no series is removed. The next statement sees which are left.
  await sql`select from ${sharedTurnLock(seriesTurn(scope.installation))} as turn`.execute(scope.db)
  const keys = series.map(({ rows }) => {
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

const dayMilliseconds = 86_400_000

const newSeriesTurn = ({ installation, tenantId }: Scope): string =>
  `pgvantage new series ${quoteIdentifier(installation.schema)} ${tenantId}`

/**
 * The series that a writer has written lately, each with its last day: the database need not be
 * asked for them. It removes only series that have had no row for days, so what was written minutes
 * ago is there.
 */
export class KnownSeries {
  #keys = new Set<string>()
  #since = performance.now()
  #noted: readonly string[] = []

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /** Those of a transaction that has not been committed. */
  note(keys: readonly string[]): void {
    this.#noted = [...this.#noted, ...keys]
  }

  /** For one transaction, whose series are known with others if it is committed. */
  begin(): KnownSeries {
    if (performance.now() - this.#since > forgottenAfter) {
      this.#keys = new Set()
      this.#since = performance.now()
    }
    const begun = new KnownSeries()
    begun.#keys = this.#keys
    return begun
  }

  /** Takes over what a transaction has noted that was committed. */
  add(committed: KnownSeries): void {
    if (this.#keys.size + committed.#noted.length > mostKnown) this.#keys = new Set()
    if (committed.#noted.length <= mostKnown) for (const key of committed.#noted) this.#keys.add(key)
  }
}

const mostKnown = 50_000

/** In milliseconds. */
const forgottenAfter = 600_000

const known = new WeakMap<Scope, KnownSeries>()

/** The series that earlier writes through the same scope have written. */
export function knownSeriesOf(scope: Scope): KnownSeries {
  const series = known.get(scope) ?? new KnownSeries()
  known.set(scope, series)
  return series
}
