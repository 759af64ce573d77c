import { sql, type RawBuilder, type Selectable } from 'kysely'
import { milliseconds, type TimeRange } from '../database/range.ts'
import { qualified } from '../database/installation.ts'
import { quoteLiteral } from '../database/identifier.ts'
import type { Scope } from '../database/scope.ts'
import type { DB } from '../schema/tables.ts'
import { wholeBuckets, type Ladder, type Reading } from './resolution.ts'
import { rolledRows, rollupColumns, storedTable, type Rollup } from './rollup.ts'

/**
 * The rows that a series is read from, for `selectFrom(rowsOf(scope, ladder, reading).as('metric'))`. They are yet to be filtered by the reading's range, and by tenant.
 *
 * A rollup that has a row for what is read is its view, but for the times: where a server without continuous aggregates has got to stands in a table, and a
 * planner that cannot know it expects a third of all rows of the source, for every read. So it is put in as a constant, and what is asked for beside it: a range
 * that has been rolled is then a plain read of the stored rows, and of the source only the buckets are computed that begin in the range and are not stored.
 *
 * A rollup's columns are taken for those of the finest table, which it has, but for columns that say nothing of several rows.
 */
export function rowsOf<Table extends keyof DB>(
  scope: Scope,
  ladder: Ladder<Table>,
  { table, range }: Reading,
): RawBuilder<Selectable<DB[Table]>> {
  const at = ladder.rollups.findIndex(({ name }) => name === table)
  return at === -1 || scope.installation.timeRung === 'community'
    ? sql`${scope.id(table)}`
    : sql`(${sql.raw(rolled(scope, ladder.rollups.slice(0, at + 1), range))})`
}

/** The rows of the last of the rollups whose buckets begin in the range. */
function rolled(scope: Scope, rollups: readonly Rollup[], range: TimeRange): string {
  const { installation } = scope
  const rollup = rollups.at(-1)!
  const until = scope.rolledUntil(rollup.name)
  const columns = rollupColumns(rollup).join(', ')
  const stored = `select ${columns} from ${qualified(installation, storedTable(rollup))}`
  if (until !== null && until >= range.to) return stored
  const whole = wholeBuckets(range, milliseconds(rollup.bucket))
  const missing = { from: until !== null && until > whole.from ? until : whole.from, to: whole.to }
  const source = rollups.length === 1 ? undefined : `(${rolled(scope, rollups.slice(0, -1), missing)}) as source`
  const computed = rolledRows(installation, rollup, within(missing), source)
  return until === null || until <= whole.from ? computed : `${stored} where bucket < ${literal(until)} union all ${computed}`
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
