import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { confidenceShare, trendLines } from './trendLines.ts'

export interface LinearTrendOptions {
  /** The confidence of the slope's interval, 0.5 to 0.9999. Default: 0.95. */
  confidence?: number
}

/** The straight line through all points of a series. */
export interface TrendLine {
  series: string
  /** The first bucket with a measurement. */
  first_at: Date
  /** The last bucket with a measurement. */
  last_at: Date
  /** The line's value at `first_at`, in the series' unit. */
  first_level: number
  /** The line's value at `last_at`, in the series' unit. */
  last_level: number
  /** The rise of the line in an hour, in the series' unit. */
  slope_per_hour: number
  /**
   * The lower end of the slope's interval; null with fewer than 4 effective points, which are too
   * few to know.
   */
  slope_lower_per_hour: number | null
  /** The upper end of the slope's interval; null if the lower end is. */
  slope_upper_per_hour: number | null
  /**
   * The share of the variance that the line explains, 0..1; null for a constant, which has no
   * variance.
   */
  r2: number | null
  /** The number of measurements. */
  points: number
  /** The number of independent measurements with the same information. */
  effective_points: number
}

const linearTrendOptions = z.strictObject({ confidence: confidenceShare.default(0.95) })

/**
 * Fits a straight line through all points of each series (least squares), with an interval for its
 * slope. Ordered by series.
 *
 * | | |
 * |---|---|
 * | no row | a series with fewer than two measurements |
 * | ignored | null, NaN, a magnitude above 1e100 |
 * | a constant | has slope 0 with certainty |
 * | an interval that contains 0 | there may be no trend |
 * | a season | is not a trend: give whole seasons, or a rise every morning looks like one |
 * | one far outlier | can tilt the line: check `anomalies` first |
 *
 * The interval assumes normal residuals with first-order autocorrelation. With lag-1
 * autocorrelation `r`, n points count as `n * (1 - r) / (1 + r)` effective ones, and the interval
 * is Student's with that number minus two degrees of freedom. Buckets may be unevenly spaced: the
 * autocorrelation is that of one measurement to the next, whatever the time between them.
 *
 * Literature: Santer et al., "Statistical significance of trends and trend differences in
 * layer-average atmospheric temperature time series" (Journal of Geophysical Research 2000), for
 * the effective sample size.
 *
 * @throws InvalidInputError if the confidence is out of its range.
 * @example
 * const used = metricSeries(scope, { metric: 'system.filesystem.usage', measure: 'max', range: last('7 days') })
 * await linearTrend(scope, used).where('slope_lower_per_hour', '>', 0).execute()
 *
 * // select "trend".* from (
 * //   select "line"."series", ..., "line"."slope" as "slope_per_hour",
 * //     line.slope - line.uncertainty / sqrt(line.hours_squared) as "slope_lower_per_hour", ...
 * //   from (
 * //     with timed as (select ... from (...) as point window ...),
 * //       fitted as (select timed.*, regr_slope(rise, hours) over series as slope, ...), ...
 * //   ) as "line" order by ("line"."series") collate "C"
 * // ) as "trend"
 */
export function linearTrend(scope: Scope, frame: SeriesFrame, options: LinearTrendOptions = {}): Finished<TrendLine, 'trend'> {
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
      sql<number | null>`line.slope - line.uncertainty / sqrt(line.hours_squared)`.as('slope_lower_per_hour'),
      sql<number | null>`line.slope + line.uncertainty / sqrt(line.hours_squared)`.as('slope_upper_per_hour'),
      'line.r2',
      sql<number>`line.points::int4`.as('points'),
      'line.effective_points',
    ])
    .orderBy(byBytes(sql.ref('line.series')))
  return finished(scope, trend, 'trend')
}
