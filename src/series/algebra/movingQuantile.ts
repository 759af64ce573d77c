import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { movedWindows } from '../movedWindows.ts'
import { boundedPoints } from '../points.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'
import { oneOf, trailingLength, trailingWindow, type TrailingWindow } from './trailingWindow.ts'

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
 * - Cost: one pass with one sorted window that moves, about 3 us a point with 60 points in the
 *   window, 6 with 1,440. A series is held in memory, 100 bytes a point, one series at a time.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('6 hours') })
 * await movingQuantile(scope, latency, { q: 0.5, points: 12 }).execute()
 *
 * // select "smoothed".* from (
 * //   select "history"."series", "point"."bucket", "point"."value"
 * //   from (
 * //     select ..., pg_catalog.array_agg(point.value order by point.bucket) as "values", ...
 * //     from (...) as "point" group by point.series collate "C"
 * //   ) as "history"
 * //   cross join lateral "public"."moving_quantiles"(history.buckets, history.values,
 * //     history.starts, $1::int4, $2::float8) as "point"
 * //   order by "history"."key", "point"."bucket"
 * // ) as "smoothed"
 */
export function movingQuantile(scope: Scope, frame: SeriesFrame, options: MovingQuantileOptions): Finished<SeriesRow, 'smoothed'> {
  const { q, points, window } = parseOptions(movingQuantileOptions, options)
  const windows = movedWindows(scope, boundedPoints(scope, frame), window === undefined ? undefined : trailingLength(window))
  const held = points === undefined ? sql`null::int4` : sql`${points}::int4`
  const quantiles = scope.db
    .selectFrom(windows.as('history'))
    .crossJoinLateral(
      sql<{ bucket: Date; value: number | null }>`${scope.id('moving_quantiles')}(
        history.buckets, history.values, history.starts, ${held}, ${q}::float8
      )`.as('point'),
    )
    .select(['history.series', 'point.bucket', 'point.value'])
    .orderBy('history.key')
    .orderBy('point.bucket')
  return finished(scope, quantiles, 'smoothed')
}
