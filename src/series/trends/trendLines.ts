import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { normalWidth } from './normalQuantile.ts'

/** The confidence of an interval, as a share. */
export const confidenceShare = z.number().min(0.5).max(0.9999)

/**
 * The line through a series, in hours since its first point and rise since its first value: counted
 * from there, numbers lose no digits to the date or the level.
 */
interface FittedLine {
  series: string
  first_at: Date
  last_at: Date
  first_value: number
  points: number
  last_hours: number
  /** The line goes through this point. */
  mean_hours: number
  mean_rise: number
  /** The rise of the line in an hour. */
  slope: number
  /** The sum of the squared deviations of the hours from their mean. */
  hours_squared: number
  r2: number | null
  /** The number of independent points with the same information. */
  effective_points: number
  /**
   * Half the width of the confidence interval of a mean of one independent point; null if there are
   * too few points to know.
   */
  uncertainty: number | null
}

/**
 * A select of the points that a line is fitted to: each point's rise and hours since the series'
 * first point. Counted from there, sums lose no digits to large values or to the years since 1970.
 *
 * @param also more columns, each after a comma.
 */
export const timedPoints = (scope: Scope, frame: SeriesFrame, also: RawBuilder<unknown> = sql``): RawBuilder<unknown> => sql`select
  point.series, point.bucket${also},
  pg_catalog.first_value(point.value) over earlier as first_value,
  point.value - pg_catalog.first_value(point.value) over earlier as rise,
  extract(epoch from point.bucket - pg_catalog.first_value(point.bucket) over earlier)::float8 / 3600::float8 as hours
from ${measuredPoints(scope, frame)} as point
window earlier as (partition by point.series order by point.bucket rows unbounded preceding)`

/**
 * An aggregate over the columns `residual` and `residual_before`: their lag-1 autocorrelation, 0 to
 * 0.99. A negative one counts as 0, because it would make of n points more than n. One below 0.001
 * counts as 0 too: its quotient could be an underflow, which PostgreSQL reports as an error.
 */
export const likeness = sql<number>`case
  when sum(residual * residual_before) > 1e-3::float8 * sum(residual * residual)
  then least(0.99, sum(residual * residual_before) / sum(residual * residual))
  else 0
end`

/**
 * Ordinary least squares through each series with points at two or more times, and how sure the
 * line is if neighbouring residuals are autocorrelated.
 *
 * | query | holds |
 * |---|---|
 * | `timed` | the points, counted from their series' first |
 * | `fitted` | each point with the line of its series |
 * | `residuals` | how far each point is off the line |
 * | `neighbours` | each residual with the one before it |
 * | `summed` | one row for each series |
 * | `weighed` | the effective number of independent points |
 *
 * All window functions share one partition, followed by one grouping: each series is sorted once
 * and read three times.
 */
export function trendLines(scope: Scope, frame: SeriesFrame, confidence: number) {
  // A residual below 1e-140 is rounding: its square would be an underflow, which PostgreSQL reports as an error.
  return sql<FittedLine>`(
    with timed as (${timedPoints(scope, frame)}),
    fitted as (
      select timed.*,
        regr_slope(rise, hours) over series as slope,
        avg(hours) over series as mean_hours,
        avg(rise) over series as mean_rise,
        regr_sxx(rise, hours) over series as hours_squared,
        regr_syy(rise, hours) over series as rise_squared
      from timed
      window series as (partition by series)
    ),
    residuals as (
      select fitted.*, case when abs(off) < 1e-140::float8 then 0 else off end as residual
      from fitted cross join lateral (select rise - mean_rise - slope * (hours - mean_hours) as off) as difference
      where slope is not null
    ),
    neighbours as (
      select residuals.*, pg_catalog.lag(residual) over (partition by series order by bucket) as residual_before from residuals
    ),
    summed as (
      select series, first_value, slope, mean_hours, mean_rise, hours_squared,
        min(bucket) as first_at,
        max(bucket) as last_at,
        max(hours) as last_hours,
        count(*)::float8 as points,
        sum(residual * residual) as squared,
        ${likeness} as likeness,
        rise_squared
      from neighbours
      group by series, first_value, slope, mean_hours, mean_rise, hours_squared, rise_squared
    ),
    weighed as (
      select summed.*, points * (1::float8 - likeness) / (1::float8 + likeness) as effective_points from summed
    )
    select series, first_at, last_at, first_value, points, last_hours, mean_hours, mean_rise, slope, hours_squared,
      case
        when rise_squared = 0::float8 then null
        when squared > 1e-20::float8 * rise_squared then greatest(0, 1::float8 - squared / rise_squared)
        else 1
      end as r2,
      effective_points,
      ${scope.id('student_t_width')}(${confidence}::float8, ${normalWidth(confidence)}::float8, effective_points - 2::float8)
        * sqrt(squared / nullif(greatest(effective_points - 2::float8, 0), 0::float8)) as uncertainty
    from weighed
  )`
}
