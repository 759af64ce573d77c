import { sql } from 'kysely'
import { z } from 'zod'
import { checkedRange, type TimeRange } from '../../database/range.ts'
import { finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parse } from '../../schema/parse.ts'
import { parseDetection, type DetectionOptions } from './detection.ts'
import { scoredPoints } from './scoredPoints.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export type FirstDepartureOptions = DetectionOptions & {
  /** So many points in a row must be off, all in one direction. Default: 2. */
  consecutive?: number
  /** Only runs that begin in it count; what they are judged by may lie before. Default: all that the frame holds. */
  range?: TimeRange
}

/**
 * When each series left its normal range for good: the first point that begins `consecutive` anomalous points in a row, all on one side. One row for each
 * series that did, in the order of time, then series.
 *
 * Points are judged as {@link anomalies} judges them, and the row has the same columns, those of the first point of the run. "In a row" are the points
 * that could be judged, however far apart: a null, or a gap, neither adds to a run nor ends it. A single spike is no departure; with `consecutive: 1` it
 * is, and the answer is each series' first anomaly.
 *
 * The answer has one row a series, the first in all of the frame: narrowed to this week it is empty for a series that also departed last month. To ask since
 * when it hurts this week, give this week as the `range`, and a frame that begins as much earlier as the method has to look back.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * const [departure] = await firstDeparture(scope, latency, { consecutive: 3, range: last('5 hours') }).execute()
 *
 * // select "departure".* from (
 * //   select distinct on ("series") ... from (
 * //     select ..., sum(<1 up, -1 down, else 0>) over (partition by "series" order by "bucket" rows between current row and $8 following) as "run" ...
 * //   ) where abs("run") = $9 and "bucket" >= $10 and "bucket" < $11 order by "series", "bucket"
 * // ) as "departure" order by "bucket", "series"
 */
export function firstDeparture(scope: Scope, frame: SeriesFrame, { consecutive = 2, range, ...options }: FirstDepartureOptions = {}) {
  const settings = parseDetection(options)
  const within = range && checkedRange(range, 'range')
  const length = parse(z.int().min(1).max(10_000), consecutive, 'consecutive')
  const runs = scope.db
    .selectFrom(scoredPoints(scope, frame, settings).as('point'))
    .selectAll('point')
    .select(
      sql<number>`sum(case when point.score <= ${settings.threshold} then 0 when point.direction = 'up' then 1 else -1 end) over (
        partition by point.series order by point.bucket rows between current row and ${length - 1}::int8 following
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
    .where(sql<boolean>`abs(point.run) = ${length}::int8`)
    .$if(within !== undefined, (all) => all.where('point.bucket', '>=', within!.from).where('point.bucket', '<', within!.to))
    .orderBy('point.series')
    .orderBy('point.bucket')
  const inTime = scope.db.selectFrom(first.as('first')).selectAll('first').orderBy('first.bucket').orderBy('first.series')
  return finished(scope, inTime, 'departure')
}
