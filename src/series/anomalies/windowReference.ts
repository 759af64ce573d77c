import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { movedWindows } from '../movedWindows.ts'
import { measuredPoints } from '../points.ts'
import type { RobustScoreSettings } from './detection.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { spreadOf } from './medians.ts'

/**
 * Every point of a series frame that has enough points in the window before it, with the median and
 * spread of those. No point is compared with itself or with a later one.
 */
export function windowReference(
  scope: Scope,
  frame: SeriesFrame,
  { window, minPoints, floor, minSpread }: Pick<RobustScoreSettings, 'window' | 'minPoints' | 'floor' | 'minSpread'>,
) {
  const histories = movedWindows(scope, measuredPoints(scope, frame), exactInterval(window))
  return scope.db
    .selectFrom(histories.as('history'))
    .crossJoinLateral(
      sql<{ bucket: Date; value: number; expected: number; deviation: number }>`${scope.id('moving_medians')}(
        history.buckets, history.values, history.starts, ${minPoints}::int4
      )`.as('point'),
    )
    .select([
      'history.series',
      'point.bucket',
      'point.value',
      'point.expected',
      spreadOf(sql.ref('point.expected'), sql.ref('point.deviation'), { floor, minSpread }).as('spread'),
    ])
}
