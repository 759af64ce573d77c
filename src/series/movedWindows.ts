import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import type { Frame } from '../database/sql/frame.ts'
import type { SeriesRow } from './seriesFrame.ts'

/**
 * One row for each series: its points as arrays in order of time, and for each point the indexes of
 * the first and the last point of its window. The functions of `sql/moving_windows.sql` take them.
 *
 * | | |
 * |---|---|
 * | `held` | how many points the window has, up to and with the last point that has the bucket of this one |
 * | `last` | the index of the window's last point |
 * | `upTo` | the index of the last point that `held` counts |
 */
export function movedWindows<Row extends SeriesRow>(
  scope: Scope,
  points: Frame<Row>,
  { held, upTo, last }: { held: RawBuilder<number>; upTo: RawBuilder<number>; last: RawBuilder<number> },
) {
  const placed = scope.db
    .selectFrom(points.as('point'))
    .select(['point.series', 'point.bucket', 'point.value', sql<number>`${upTo} - ${held} + 1`.as('first'), last.as('last')])
  return scope.db
    .selectFrom(placed.as('point'))
    .select([
      // Grouped in the order of the windows, so that nothing is sorted twice. Who orders by the key
      // has little left to sort; `series` keeps the collation that it has in the frame.
      sql<string>`point.series collate "C"`.as('key'),
      sql<string>`pg_catalog.any_value(point.series)`.as('series'),
      sql<Date[]>`pg_catalog.array_agg(point.bucket order by point.bucket)`.as('buckets'),
      sql<(number | null)[]>`pg_catalog.array_agg(point.value order by point.bucket)`.as('values'),
      sql<number[]>`pg_catalog.array_agg(point.first::int4 order by point.bucket)`.as('firsts'),
      sql<number[]>`pg_catalog.array_agg(point.last::int4 order by point.bucket)`.as('lasts'),
    ])
    .groupBy(sql`point.series collate "C"`)
}
