import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { Frame } from '../../database/sql/frame.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { Direction, ExpectedPoint } from './anomaly.ts'
import { controlChart } from './controlChart.ts'
import type { ComparisonSettings } from './detection.ts'
import { seasonReference } from './seasonReference.ts'
import { windowReference } from './windowReference.ts'

/** Every point of a frame that the method can judge, with its score, above the threshold or not. */
export function scoredPoints(scope: Scope, frame: SeriesFrame, settings: ComparisonSettings) {
  switch (settings.method) {
    case 'robust-z':
      return scored(scope, windowReference(scope, frame, settings))
    case 'seasonal':
      return scored(scope, seasonReference(scope, frame, settings))
    case 'ewma':
      return controlChart(scope, scored(scope, windowReference(scope, frame, settings)), settings)
  }
}

/** Adds `score` (how many spreads the value is off), `direction` and `item`. */
const scored = (scope: Scope, points: Frame<ExpectedPoint>) =>
  scope.db.selectFrom(points.as('point')).select([
    'point.series',
    'point.bucket',
    'point.value',
    'point.expected',
    'point.spread',
    sql<number>`case
        when point.value = point.expected then 0
        when point.spread = 0::float8 then 'Infinity'
        else abs(point.value - point.expected) / point.spread
      end`.as('score'),
    sql<Direction>`case when point.value < point.expected then 'down' else 'up' end`.as('direction'),
    'point.series as item',
  ])
