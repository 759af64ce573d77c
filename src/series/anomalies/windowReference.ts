import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { RobustScoreSettings } from './detection.ts'
import { deviationOf, middleOf, spreadOf } from './medians.ts'

/**
 * Every point of a series frame that has enough points in the window before it, with the median and
 * spread of those.
 *
 * It takes one pass: a window function gathers each point's predecessors into an array, and median
 * and median absolute deviation come from that. No point is compared with itself or with a later
 * one.
 */
export function windowReference(
  scope: Scope,
  frame: SeriesFrame,
  { window, minPoints, floor, minSpread }: Pick<RobustScoreSettings, 'window' | 'minPoints' | 'floor' | 'minSpread'>,
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
    .select(['point.series', 'point.bucket', 'point.value', 'middle.expected', spreadOf({ floor, minSpread }).as('spread')])
}
