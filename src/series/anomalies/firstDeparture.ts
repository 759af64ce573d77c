import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import { timeRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import type { Anomaly } from './anomaly.ts'
import { byMethod, comparing, type ControlChartOptions, type RobustScoreOptions, type SeasonalOptions } from './detection.ts'
import { scoredPoints } from './scoredPoints.ts'

export type FirstDepartureOptions = (RobustScoreOptions | SeasonalOptions | ControlChartOptions) & {
  /** How many points in a row must be anomalous in one direction. Default: 2. */
  consecutive?: number
  /**
   * Only runs that begin in this range count; the points they are compared with may lie before it.
   * Default: the whole frame.
   */
  range?: TimeRange
}

/** The first point of the run with which a series left its normal range. */
export type Departure = Anomaly

const run = { consecutive: z.int().min(1).max(10_000).default(2), range: timeRange.optional() }
const [robust, seasonal, controlChart] = comparing
const firstDepartureOptions = byMethod(
  [robust.safeExtend(run), seasonal.safeExtend(run), controlChart.safeExtend(run)],
  "must be 'robust-z', 'seasonal' or 'ewma'",
)

/**
 * When each series left its normal range: the first of `consecutive` anomalous points in a row on
 * one side. One row for each series that did, ordered by time, then series.
 *
 * Points are judged as in {@link anomalies}; `'surprise'` is no method here, as it tells beginnings
 * itself. "In a row" counts the points that could be judged,
 * whatever the time between them: a null or a gap neither adds to a run nor ends it. A single spike
 * is not a departure, unless `consecutive` is 1; then the answer is each series' first anomaly.
 *
 * The row is the first departure in the whole frame. A later `where` on this week therefore gives
 * nothing for a series that also departed last month. To ask about this week, give this week as
 * `range`, and a frame that begins earlier by the time that the method looks back.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const [departure] = await firstDeparture(scope, latency, { consecutive: 3, range: last('5 hours') }).execute()
 *
 * // select "departure".* from (
 * //   select "first".* from (
 * //     select distinct on ("point"."series") ... from (
 * //       select "point".*, sum(case when point.score <= $1 then 0 when point.direction = 'up'
 * //         then 1 else -1 end) over (
 * //         partition by point.series order by point.bucket rows between current row and $2::int8
 * //           following) as "run" from (...) as "point"
 * //     ) as "point" where abs(point.run) = $8::int8 and "point"."bucket" >= $9 and
 * //       "point"."bucket" < $10
 * //     order by ("point"."series") collate "C", "point"."bucket"
 * //   ) as "first" order by "first"."bucket", ("first"."series") collate "C"
 * // ) as "departure"
 */
export function firstDeparture(scope: Scope, frame: SeriesFrame, options: FirstDepartureOptions = {}): Finished<Departure, 'departure'> {
  const { consecutive, range, ...settings } = parseOptions(firstDepartureOptions, options)
  const runs = scope.db
    .selectFrom(scoredPoints(scope, frame, settings).as('point'))
    .selectAll('point')
    .select(
      sql<number>`sum(case when point.score <= ${settings.threshold} then 0 when point.direction = 'up' then 1 else -1 end) over (
        partition by point.series collate "C" order by point.bucket rows between current row and ${consecutive - 1}::int8 following
      )`.as('run'),
    )
  const first = scope.db
    .selectFrom(runs.as('point'))
    .distinctOn('point.series')
    .select([
      'point.series',
      'point.bucket',
      'point.value',
      'point.expected',
      'point.spread',
      'point.score',
      'point.direction',
      'point.item',
    ])
    .where(sql<boolean>`abs(point.run) = ${consecutive}::int8`)
    .$if(range !== undefined, (all) => all.where('point.bucket', '>=', range!.from).where('point.bucket', '<', range!.to))
    .orderBy('point.series')
    .orderBy('point.bucket')
  const inTime = scope.db
    .selectFrom(first.as('first'))
    .selectAll('first')
    .orderBy('first.bucket')
    .orderBy(byBytes(sql.ref('first.series')))
  return finished(scope, inTime, 'departure')
}
