import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { likeness } from './likeness.ts'
import { normalWidth } from './normalQuantile.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { timedPoints } from './timedPoints.ts'

/** The line through a series, in hours since its first point and rise since its first value; numbers so taken lose no digits to the date or the level. */
export interface TrendLine {
  series: string
  first_at: Date
  last_at: Date
  first_value: number
  points: number
  last_hours: number
  /** The line goes through this point, */
  mean_hours: number
  mean_rise: number
  /** rising by this an hour. */
  slope: number
  /** The hours' sum of squared deviations from their mean. */
  hours_squared: number
  r2: number | null
  /** How many independent points would tell as much. */
  effective_points: number
  /** Half the width of the confidence interval of a mean of one independent point; null with too few to know. */
  uncertainty: number | null
}

/**
 * Ordinary least squares through each series that has points at two times or more, and how sure the line is when neighbouring residuals are alike.
 *
 * Window functions all over one partition, then one grouping: each series is sorted once and read three times.
 */
export function trendLines(scope: Scope, frame: SeriesFrame, confidence: number) {
  // A residual below 1e-140 is rounding: its square would be an underflow, which PostgreSQL reports as an error.
  return sql<TrendLine>`(
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
      case when rise_squared > 0::float8 then case when squared > 1e-20::float8 * rise_squared then greatest(0, 1::float8 - squared / rise_squared) else 1 end end as r2,
      effective_points,
      ${scope.id('student_t_width')}(${confidence}::float8, ${normalWidth(confidence)}::float8, effective_points - 2::float8)
        * sqrt("squared" / nullif(greatest("effective_points" - 2::float8, 0), 0::float8)) as "uncertainty"
    from weighed
  )`
}
