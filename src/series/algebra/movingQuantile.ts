import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'
import { oneOf, trailing, trailingWindow, type TrailingWindow } from './trailingWindow.ts'

export type MovingQuantileOptions = TrailingWindow & {
  /** Which one: 0 the smallest value, 0.5 the median, 1 the largest. */
  q: number
}

const movingQuantileOptions = z
  .strictObject({ q: z.number().min(0).max(1), ...trailingWindow })
  .refine(oneOf('points', 'window'), 'must have either points or window')

/**
 * A quantile of each point and the points before it, in the order of series and time: with `q: 0.5`
 * the moving median, which a spike does not move.
 *
 * Rows: those of the frame, `value` being the quantile of the values in the trailing window, the
 * point itself included: the last `points` points of the series, or those within `window`,
 * `(bucket - window, bucket]`. Between two values it is interpolated (`percentile_cont`; type 7 of
 * Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 1996).
 *
 * Nulls do not count: the value at a null is the quantile of the others, and null where there are
 * none. NaN is above every number, infinity included; between it or an infinity and another value
 * there is only NaN or that infinity. Magnitudes below 1e-100 count as 0, above 1e100 as infinite.
 *
 * It is a quantile of the frame's values: of a minute's percentiles it gives the usual percentile,
 * not the percentile of all. The work grows with the window's points: each row gathers and sorts
 * its own.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * await movingQuantile(scope, latency, { q: 0.5, points: 12 }).execute()
 *
 * // select "smoothed".* from (
 * //   select "point"."series", "point"."bucket",
 * //     (select pg_catalog.percentile_cont($1::float8) within group (order by near) from
 * //       pg_catalog.unnest(point.nearby) as near) as "value"
 * //   from (select ..., pg_catalog.array_agg(point.value) over (partition by point.series collate
 * //     "C" order by point.bucket
 * //     rows between $2::int8 preceding and current row) as "nearby" from (...) as "point") as
 * //       "point"
 * //   order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "smoothed"
 */
export function movingQuantile(scope: Scope, frame: SeriesFrame, options: MovingQuantileOptions): Finished<SeriesRow, 'smoothed'> {
  const { q, ...window } = parseOptions(movingQuantileOptions, options)
  const gathered = scope.db
    .selectFrom(boundedPoints(scope, frame).as('point'))
    .select(['point.series', 'point.bucket', sql<(number | null)[]>`pg_catalog.array_agg(point.value) ${trailing(window)}`.as('nearby')])
  const quantiles = scope.db
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
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, quantiles, 'smoothed')
}
