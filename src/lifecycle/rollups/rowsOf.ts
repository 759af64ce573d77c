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
 * The rows that a series is read from. They are yet to be filtered by the reading's range, and by
 * tenant.
 *
 * Where the scope knows how far a rollup has come, its rows are read where they are stored, and
 * what is not stored is computed. It is what the rollup's view does; but how far it has come stands
 * in a table, and a planner that cannot know it expects a third of all rows of the source, for
 * every read. As a constant, and with the range beside it, a range that has been rolled is a plain
 * read of stored rows, and of the source only the buckets are computed that begin in the range.
 *
 * The constant is as old as the scope. So how far the rollup has come by now is looked up as well,
 * and decides of what lies behind the constant: a scope may be older than what has been rolled and
 * dropped since.
 *
 * A rollup's columns are taken for those of the finest table, which it has, but for columns that
 * say nothing of several rows.
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
 * No rows while a table that was chosen because it has all rows of a range still has them; else the
 * statement fails, since its answer would be short. What fails is a cast: the text it cannot read
 * is the message. Null for a table that answers with what it has.
 *
 * Not a condition on the table's own rows: where all chunks of the range are gone the server looks
 * at no condition. And behind an offset, so that none of the query's own conditions is looked at
 * before.
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
 * The rows of the last of the rollups whose buckets begin in the range; undefined where only its
 * view knows them.
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

/** What PostgreSQL would not read, and nobody has rows of, bounds nothing. */
const within = ({ from, to }: TimeRange) =>
  [
    ...(from.getTime() > firstDate ? [`bucket >= ${literal(from)}`] : []),
    ...(to.getTime() < lastDate ? [`bucket < ${literal(to)}`] : []),
    'true',
  ].join(' and ')

const firstDate = Date.UTC(1000, 0)
const lastDate = Date.UTC(9999, 0)

const literal = (time: Date) => `timestamptz ${quoteLiteral(time.toISOString())}`
