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
  /** The quantile: 0 is the smallest value, 0.5 the median, 1 the largest. */
  q: number
}

const movingQuantileOptions = z
  .strictObject({ q: z.number().min(0).max(1), ...trailingWindow })
  .refine(oneOf('points', 'window'), 'must have either points or window')

/**
 * The moving quantile of each series. With `q: 0.5` it is the moving median, which a spike does not
 * move. Ordered by series, then time.
 *
 * Rows: the rows of the frame; `value` is the quantile of the values in the {@link TrailingWindow},
 * interpolated between two values (`percentile_cont`; type 7 of Hyndman and Fan, "Sample Quantiles
 * in Statistical Packages", The American Statistician 1996).
 *
 * - Nulls are ignored; `value` is null if the window has nothing else.
 * - NaN is above every number, infinity included. Interpolation with NaN or an infinity gives NaN
 *   or that infinity. For very small and large values see {@link SeriesRow}.
 * - It is a quantile of the frame's values. From percentiles of single minutes it gives the usual
 *   percentile of a minute, not the percentile of all calls.
 * - Cost: each row gathers and sorts its window, so the work grows with the window's points.
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
