import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { Frame } from '../../database/sql/frame.ts'
import type { Anomaly, Direction } from './anomaly.ts'
import type { ControlChartSettings } from './detection.ts'

/**
 * Replaces the robust z-scores of points by the score of Roberts' control chart: the exponentially
 * weighted mean of the z-scores up to each point.
 *
 * The score is that mean in units of its own standard deviation after n points, if the residuals
 * were independent with variance 1.
 */
export function controlChart(scope: Scope, scored: Frame<Anomaly>, { lambda, clip }: Pick<ControlChartSettings, 'lambda' | 'clip'>) {
  const residuals = scope.db
    .selectFrom(scored.as('point'))
    .selectAll('point')
    .select(
      sql<number>`case when point.direction = 'down' then -least(point.score, ${clip}::float8) else least(point.score, ${clip}::float8) end`.as(
        'residual',
      ),
    )
  const chart = scope.db
    .selectFrom(residuals.as('point'))
    .selectAll('point')
    .select([
      sql<number>`${scope.id('ewma')}(point.residual, ${lambda}::float8, 0::float8) over (
        partition by point.series collate "C" order by point.bucket rows unbounded preceding
      )`.as('mean'),
      sql<number>`row_number() over (partition by point.series collate "C" order by point.bucket)`.as('observed'),
    ])
  return scope.db.selectFrom(chart.as('point')).select([
    'point.series',
    'point.bucket',
    'point.value',
    'point.expected',
    'point.spread',
    sql<number>`abs(point.mean) / sqrt(
        ${lambda / (2 - lambda)}::float8 * (1::float8 - power(${1 - lambda}::float8, least(2 * point.observed, ${settledAfter(lambda)}::float8)))
      )`.as('score'),
    sql<Direction>`case when point.mean < 0::float8 then 'down' else 'up' end`.as('direction'),
    'point.item',
  ])
}

/**
 * The power from which on `(1 - lambda) ^ n` no longer changes 1. The power stops there because
 * PostgreSQL reports an underflow as an error.
 */
const settledAfter = (lambda: number): number => (lambda === 1 ? 2 : Math.ceil(-40 / Math.log1p(-lambda)))
