import { sql, type RawBuilder, type Selectable } from 'kysely'
import { bucketsBeginningIn } from '../../database/buckets.ts'
import type { TimeRange } from '../../database/range.ts'
import { qualified } from '../../database/installation/installation.ts'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import type { Scope } from '../../database/scope.ts'
import type { DB } from '../../schema/tables.ts'
import type { Ladder, Reading } from './resolution.ts'
import { rolledRows, rolledUntil, rollupColumns, storedTable, type Rollup } from './rollup.ts'

/**
 * The rows that a series is read from. The caller filters them by the reading's range and by
 * tenant.
 *
 * Where the scope knows how far a rollup is stored, its stored rows are read, and the rest is
 * computed from the source. The rollup's view does the same, but reads that time from a table: the
 * planner then expects a third of all rows of the source for every read. With the time as a
 * constant, and the range next to it, a range that is rolled up is a plain read of stored rows, and
 * only buckets in the range are computed.
 *
 * The constant is as old as the scope. So the present time is read too, and decides for the rows
 * after the constant: more may have been rolled up and dropped since the scope was made.
 *
 * A rollup has the columns of the finest table, except columns without a meaning for several rows.
 *
 * @example
 * scope.db.selectFrom(rowsOf(scope, ladder, readingOf(scope, ladder, last('30 days'))).as('metric'))
 *
 * // select ... from (
 * //   select bucket, tenant_id, ... from "public"."metric_1h_stored" where bucket < timestamptz
 * //     '2026-11-22T09:00:00.000Z'
 * //   union all select bucket, tenant_id, ... from "public"."metric_1h_stored" where bucket >=
 * //     timestamptz '2026-11-22T09:00:00.000Z' and bucket < (select rolled_until ...)
 * //   union all select date_bin(interval '1 hour', bucket, ...) as bucket, ... from
 * //     "public"."metric_1m"
 * //     where bucket >= timestamptz '2026-11-22T09:00:00.000Z' and ... and bucket >= (select
 * //       rolled_until ...) group by 1, ...
 * // ) as "metric"
 */
export function rowsOf<Table extends keyof DB>(scope: Scope, ladder: Ladder<Table>, reading: Reading): RawBuilder<Selectable<DB[Table]>> {
  const { table, range } = reading
  const rows = rolled(scope, ladder.rollups.slice(0, ladder.rollups.findIndex(({ name }) => name === table) + 1), range)
  const guard = noRowsIfHeld(scope, ladder, reading)
  if (guard !== null) return sql`(${sql.raw(rows ?? `select * from ${qualified(scope.installation, table)}`)} union all ${guard})`
  return rows === undefined ? sql`${scope.id(table)}` : sql`(${sql.raw(rows)})`
}

/**
 * Returns no rows while a table that was chosen for having all rows of a range still has them;
 * otherwise the statement fails, since its answer would be incomplete. It fails by a cast of a text
 * that is the message. Null for a table that answers with what it has.
 *
 * It is not a condition on the table's own rows: if all chunks of the range are gone the server
 * evaluates no condition. And it is behind an offset, so that it is evaluated before the query's
 * own conditions.
 */
export function noRowsIfHeld<Table extends keyof DB>(
  scope: Scope,
  ladder: Ladder<Table>,
  { table, range: { from }, chosen }: Reading,
): RawBuilder<Selectable<DB[Table]>> | null {
  const at = ladder.rollups.findIndex(({ name }) => name === table)
  const isCoarsest = at === ladder.rollups.length - 1
  if (!chosen || !scope.timesKnown || isCoarsest || from.getTime() <= firstDate) return null
  const { installation, retainedMs } = scope
  const rollup = ladder.rollups[at]
  const columns = rollup && scope.rolledUntil(table) ? rollupColumns(rollup) : ['*']
  const retain = retainedMs(table)
  const isAsLong =
    retain === null ? 'false' : `(policy.settings ->> 'retain'::text)::interval >= ${quoteLiteral(`${retain} milliseconds`)}::interval`
  const isYounger = `${literal(from)} >= now() - (policy.settings ->> 'retain'::text)::interval`
  const unchanged = `(policy.settings is null or ${isAsLong} or ${isYounger})`
  const message = `rows from ${from.toISOString()} on have been dropped since this scope was made, make a new one with tenantScope: `
  return sql.raw(`select ${columns.map((column) => `(held.no_row).${column}`).join(', ')}
from (
  select case
    when known.dropped_before <= ${literal(from)} and ${unchanged} then null::${qualified(installation, table)}
    when (${quoteLiteral(message)} || known.name)::boolean then null
  end as no_row
  from ${qualified(installation, 'pgvantage_time_table')} as known
  left join ${qualified(installation, 'pgvantage_policy')} as policy
    on policy.object = known.name and policy.kind = 'retention' and policy.job_id is not null
  where known.name = ${quoteLiteral(table)}
  offset 0
) as held
where held.no_row is not null`)
}

/**
 * The rows of the last of the rollups whose buckets begin in the range; undefined if only its view
 * has them.
 */
function rolled(scope: Scope, rollups: readonly Rollup[], range: TimeRange): string | undefined {
  const { installation } = scope
  const rollup = rollups.at(-1)
  const until = rollup && scope.rolledUntil(rollup.name)
  if (!rollup || !until) return undefined
  const stored = `select ${rollupColumns(rollup).join(', ')} from ${qualified(installation, storedTable(rollup))}`
  if (until >= range.to) return stored
  const whole = bucketsBeginningIn(rollup.bucket, range)
  const missing = { from: until > whole.from ? until : whole.from, to: whole.to }
  const source = rolled(scope, rollups.slice(0, -1), missing)
  const byNow = rolledUntil(installation, rollup)
  return [
    ...(until <= whole.from ? [] : [`${stored} where bucket < ${literal(until)}`]),
    `${stored} where ${within(missing)} and bucket < ${byNow}`,
    rolledRows(installation, rollup, `${within(missing)} and bucket >= ${byNow}`, source && `(${source}) as source`),
  ].join(' union all ')
}

/** Bounds that PostgreSQL could not read are left out: there are no rows beyond them. */
const within = ({ from, to }: TimeRange) =>
  [
    ...(from.getTime() > firstDate ? [`bucket >= ${literal(from)}`] : []),
    ...(to.getTime() < lastDate ? [`bucket < ${literal(to)}`] : []),
    'true',
  ].join(' and ')

const firstDate = Date.UTC(1000, 0)
const lastDate = Date.UTC(9999, 0)

const literal = (time: Date) => `timestamptz ${quoteLiteral(time.toISOString())}`
