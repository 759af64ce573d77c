import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { movedWindows } from '../movedWindows.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { Direction } from './anomaly.ts'
import type { SurpriseSettings } from './detection.ts'
import { deviationOf, middleOf } from './medians.ts'

/**
 * The points of a frame at which something rare begins, with median and spread of the remembered
 * points before each.
 */
export function surprisingPoints(
  scope: Scope,
  frame: SeriesFrame,
  { threshold, historyPoints, minPoints, quietPoints }: Omit<SurpriseSettings, 'method'>,
) {
  const remembered = sql<number[]>`history.values[greatest(point.place - ${historyPoints}::int4, 1):point.place - 1]`
  return scope.db
    .selectFrom(movedWindows(scope, measuredPoints(scope, frame)).as('history'))
    .crossJoinLateral(
      sql<{ place: number; score: number; direction: Direction }>`${scope.id('surprises')}(
        history.values, ${historyPoints}::int4, ${minPoints}::int4, ${threshold}::float8, ${quietPoints}::int4
      )`.as('point'),
    )
    .crossJoinLateral(middleOf(remembered))
    .crossJoinLateral(deviationOf(remembered))
    .select([
      'history.series',
      sql<Date>`history.buckets[point.place]`.as('bucket'),
      sql<number>`history.values[point.place]`.as('value'),
      'middle.expected',
      sql<number>`1.4826::float8 * around.deviation`.as('spread'),
      'point.score',
      'point.direction',
      'history.series as item',
    ])
}
