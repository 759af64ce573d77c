import { sql } from 'kysely'
import type { Scope } from '../../src/database/scope.ts'
import { exactInterval } from '../../src/database/sql/exactInterval.ts'
import type { MovingQuantileOptions } from '../../src/series/algebra/movingQuantile.ts'
import { trailing } from '../../src/series/algebra/trailingWindow.ts'
import { deviationOf, middleOf, spreadOf } from '../../src/series/anomalies/medians.ts'
import { boundedPoints, measuredPoints } from '../../src/series/points.ts'
import type { SeriesFrame } from '../../src/series/seriesFrame.ts'

/** What `movingQuantile` gives, by the definition: each window gathered and sorted by itself. */
export function sortedQuantiles(scope: Scope, frame: SeriesFrame, { q, ...window }: MovingQuantileOptions) {
  const gathered = scope.db
    .selectFrom(boundedPoints(scope, frame).as('point'))
    .select(['point.series', 'point.bucket', sql<(number | null)[]>`pg_catalog.array_agg(point.value) ${trailing(window)}`.as('nearby')])
  return scope.db
    .selectFrom(gathered.as('point'))
    .select([
      'point.series',
      'point.bucket',
      sql<
        number | null
      >`(select pg_catalog.percentile_cont(${q}::float8) within group (order by near) from pg_catalog.unnest(point.nearby) as near)`.as(
        'value',
      ),
    ])
    .orderBy(sql`point.series collate "C"`)
    .orderBy('point.bucket')
}

/** What the window before a point says of it, in the same way. */
export function sortedReference(
  scope: Scope,
  frame: SeriesFrame,
  { window, minPoints, floor, minSpread }: { window: string; minPoints: number; floor: number; minSpread: number },
) {
  const history = scope.db
    .selectFrom(measuredPoints(scope, frame).as('point'))
    .selectAll('point')
    .select(
      sql<number[] | null>`pg_catalog.array_agg(point.value) over (
        partition by point.series collate "C" order by point.bucket
        range between ${exactInterval(window)} preceding and current row exclude group
      )`.as('before'),
    )
  return scope.db
    .selectFrom(history.as('point'))
    .crossJoinLateral(middleOf(sql.ref('point.before')))
    .crossJoinLateral(deviationOf(sql.ref('point.before')))
    .where(sql<boolean>`pg_catalog.cardinality(point.before) >= ${minPoints}::int4`)
    .select([
      'point.series',
      'point.bucket',
      'point.value',
      'middle.expected',
      spreadOf(sql.ref('middle.expected'), sql.ref('around.deviation'), { floor, minSpread }).as('spread'),
    ])
    .orderBy(sql`point.series collate "C"`)
    .orderBy('point.bucket')
}
