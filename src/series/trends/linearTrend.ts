import { sql } from 'kysely'
import { z } from 'zod'
import { finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { trendLines } from './trendLines.ts'

/** How sure an interval is to hold what it is an interval of, as a share. */
export const confidenceShare = z.number().min(0.5).max(0.9999)

export interface LinearTrendOptions {
  /** Of the slope's interval, 0.5 to 0.9999. Default: 0.95. */
  confidence?: number
}

const linearTrendOptions = z.strictObject({ confidence: confidenceShare.default(0.95) })

/**
 * Where each series is heading: the straight line through all its points (least squares), with an interval for its slope. In the order of series.
 *
 * Rows: `series`; `first_at` and `last_at`, its first and last bucket with a measurement; `first_level` and `last_level`, the line's value there;
 * `slope_per_hour`, in the series' unit, with `slope_low_per_hour` and `slope_high_per_hour`; `r2`, the share of the variance that the line explains
 * (0..1, null where there is none: a constant); `points`; and `effective_points`, how many of them are news.
 *
 * The interval takes residuals for normal with neighbours alike (an autoregression of first order): their lag-1 autocorrelation `r` makes of n points
 * `n * (1 - r) / (1 + r)` effective ones, and the interval is Student's with two less than these degrees of freedom. It is null with fewer than 4
 * effective points: too few to know. An interval that holds 0 means that there may be no trend at all. Buckets need not be evenly spaced, but the
 * autocorrelation is that of one measurement to the next, however far apart. A season is no trend: give whole seasons, or what rises every morning
 * will seem to go on rising. One far outlier can tilt the line: look at `anomalies` first.
 *
 * Nulls, NaN and magnitudes above 1e100 are no measurements. A series with fewer than two measurements has no row; a constant one has slope 0, for sure.
 *
 * Literature: Santer et al., "Statistical significance of trends and trend differences in layer-average atmospheric temperature time series" (Journal of
 * Geophysical Research 2000), for the effective sample size.
 *
 * @throws InvalidInputError when the confidence is out of its range.
 * @example
 * const used = metricSeries(scope, { metric: 'system.filesystem.usage', measure: 'max', range: last('7 days') })
 * await linearTrend(scope, used).where('slope_low_per_hour', '>', 0).execute()
 *
 * // select "trend".* from (
 * //   select "series", ..., "slope" as "slope_per_hour", "slope" - "uncertainty" / sqrt("hours_squared") as "slope_low_per_hour", ... from (
 * //     with timed as (select ... from (...) as "point" window ...), fitted as (select ..., regr_slope("rise", "hours") over series ...), ...
 * //   ) as "line" order by "series"
 * // ) as "trend"
 */
export function linearTrend(scope: Scope, frame: SeriesFrame, options: LinearTrendOptions = {}) {
  const { confidence } = parseOptions(linearTrendOptions, options)
  const level = (hours: 'last_hours' | 'none') =>
    sql<number>`line.first_value + line.mean_rise + line.slope * (${hours === 'none' ? sql`0::float8` : sql.ref(`line.${hours}`)} - line.mean_hours)`
  const trend = scope.db
    .selectFrom(trendLines(scope, frame, confidence).as('line'))
    .select([
      'line.series',
      'line.first_at',
      'line.last_at',
      level('none').as('first_level'),
      level('last_hours').as('last_level'),
      'line.slope as slope_per_hour',
      sql<number | null>`line.slope - line.uncertainty / sqrt(line.hours_squared)`.as('slope_low_per_hour'),
      sql<number | null>`line.slope + line.uncertainty / sqrt(line.hours_squared)`.as('slope_high_per_hour'),
      'line.r2',
      sql<number>`line.points::int4`.as('points'),
      'line.effective_points',
    ])
    .orderBy('line.series')
  return finished(scope, trend, 'trend')
}
