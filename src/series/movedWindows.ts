import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import type { Frame } from '../database/sql/frame.ts'
import type { SeriesRow } from './seriesFrame.ts'

/**
 * One row for each series: its points as arrays in order of time, and for each point the earliest
 * bucket of its window, which is `length` before its own; null where windows have no length. The
 * functions of `sql/moving_windows.sql` take them.
 */
export function movedWindows<Row extends SeriesRow>(scope: Scope, points: Frame<Row>, length?: RawBuilder<unknown>) {
  const starts = sql`pg_catalog.array_agg(point.bucket - (${length}) order by point.bucket)`
  return scope.db
    .selectFrom(points.as('point'))
    .select([
      // Grouped in the order of the windows, so that nothing is sorted twice. Who orders by the key
      // has little left to sort; `series` keeps the collation that it has in the frame.
      sql<string>`point.series collate "C"`.as('key'),
      sql<string>`pg_catalog.any_value(point.series)`.as('series'),
      sql<Date[]>`pg_catalog.array_agg(point.bucket order by point.bucket)`.as('buckets'),
      sql<(number | null)[]>`pg_catalog.array_agg(point.value order by point.bucket)`.as('values'),
      sql<Date[] | null>`${length === undefined ? sql`null::timestamptz[]` : starts}`.as('starts'),
    ])
    .groupBy(sql`point.series collate "C"`)
}
