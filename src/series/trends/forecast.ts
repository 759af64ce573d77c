import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { slotNumber } from '../../database/buckets.ts'
import { finished, type Finished } from '../../database/finished.ts'
import { milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import { lengthText } from '../bucketLength.ts'
import { normalWidth } from './normalQuantile.ts'
import { defaultSlot, dividesSeason, isLength, slotProblem } from '../seasonOptions.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { confidenceShare, likeness, timedPoints } from './trendLines.ts'

export interface ForecastOptions {
  /** How far beyond each series' last measurement to predict. */
  horizon: string
  /**
   * The step between two predicted points, usually the series' bucket length. The horizon holds at
   * most 10,000 steps.
   */
  every: string
  /** The length of the season, such as `'1 day'` or `'1 week'`. Default: no season. */
  season?: string
  /** The length of a slot of the season; each slot has its own level. Default: `'1 hour'`. */
  slot?: string
  /**
   * `'linear'` continues the rise or fall so far; `'none'` assumes no trend. Default: `'linear'`.
   */
  trend?: 'linear' | 'none'
  /**
   * The probability that a point lies between `lower` and `upper`, 0.5 to 0.9999. Default: 0.95.
   */
  confidence?: number
}

/** A predicted point, if the series goes on as before. */
export interface ForecastPoint {
  series: string
  /** The last measurement's time plus once, twice, ... `every`, up to the horizon. */
  bucket: Date
  /** In the series' unit; null in a slot of the season without any measurement. */
  value: number | null
  /**
   * The lower end of the interval; null if `value` is, and if the series has fewer than three
   * points more than slots.
   */
  lower: number | null
  /** The upper end of the interval; null if the lower end is. */
  upper: number | null
}

const maxSteps = 10_000

const forecastOptions = z
  .strictObject({
    horizon: lengthText,
    every: lengthText,
    season: lengthText.optional(),
    slot: lengthText.optional(),
    trend: z.enum(['linear', 'none']).default('linear'),
    confidence: confidenceShare.default(0.95),
  })
  .superRefine(({ horizon, every }, { addIssue }) => {
    if (!isLength(horizon) || !isLength(every)) return
    const steps = Math.floor(milliseconds(horizon) / milliseconds(every))
    if (steps < 1 || steps > maxSteps)
      addIssue({ code: 'custom', path: ['every'], message: `must fit into the horizon of ${preview(horizon)} 1 to ${maxSteps} times` })
  })
  .refine(({ season, slot }) => season !== undefined || slot === undefined, {
    path: ['slot'],
    error: 'needs a season that it is a part of',
  })
  .refine(({ season, slot = defaultSlot }) => season === undefined || dividesSeason({ season, slot }), slotProblem)

/**
 * Predicts each series after its last measurement, if it goes on as before: a series frame with an
 * interval around each point. Ordered by series, then time.
 *
 * A predicted point is the level of its slot of the season, moved along the trend.
 *
 * | part | how it is found |
 * |---|---|
 * | trend | one slope for all slots: least squares with a level for each slot, so that an incomplete season does not look like a trend. With a `season` it needs two whole ones; with less data there is no trend |
 * | level | the median of the slot's points without the trend; single outliers do not move it. Without a season there is one slot, and the answer is a straight line |
 * | interval | the quantiles of the residuals, separately below and above (latencies are not symmetric), wider if the level is the median of few points; plus the trend's uncertainty, which grows with the distance |
 *
 * - Autocorrelated residuals carry less information: with lag-1 autocorrelation `r`, n points count
 *   as `n * (1 - r) / (1 + r)`.
 * - Nulls, NaN and magnitudes above 1e100 are ignored, see {@link SeriesRow}; gaps do not matter. A
 *   series without any measurement has no row. A constant series has an interval of width 0.
 * - All points of the frame weigh the same, and trend and season are assumed to stay. Give a range
 *   that still describes the present, for example the time after the last of its `changePoints`.
 * - The prediction does not start from the last value: shortly after something unusual this is the
 *   better estimate.
 * - A random walk has no level to return to: intervals of 95 % hold about 80 % of it.
 *
 * Literature: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice" (3rd ed., 2021),
 * chapters 5 (residual quantiles as prediction intervals) and 7 (regression with a trend and
 * seasonal dummies); for the effective number of points, see `linearTrend`.
 *
 * @throws InvalidInputError naming the option that is wrong, for example if `every` does not fit
 * into the horizon or slots do not divide the season.
 * @example
 * const load = callSeries(scope, { to: checkout, measure: 'rps', range: last('4 weeks') })
 * await forecast(scope, load, { horizon: '2 days', every: '5 minutes', season: '1 week' }).execute()
 *
 * // select "point".* from (
 * //   with timed as (select ..., <slot of point.bucket> as slot from (...) as point window ...),
 * //     centred as (...), ...
 * //   select series, bucket, value, value - <below> as lower, value + <above> as upper
 * //   from predicted where bucket is not null order by series collate "C", bucket
 * // ) as "point"
 */
export function forecast(scope: Scope, frame: SeriesFrame, options: ForecastOptions): Finished<ForecastPoint, 'point'> {
  const { horizon, every, season, slot = defaultSlot, trend, confidence } = parseOptions(forecastOptions, options)
  const steps = Math.floor(milliseconds(horizon) / milliseconds(every))
  const seasonal = season === undefined ? undefined : { season, slot }
  const slotOf = (bucket: string) => (seasonal === undefined ? sql.lit(0) : slotNumber(seasonal, sql.ref<Date>(bucket)))
  // With less than two seasons a difference between two slots cannot be distinguished from a trend.
  const seenTwice = seasonal === undefined ? sql`true` : sql`last_hours >= ${(2 * milliseconds(seasonal.season)) / 3_600_000}::float8`
  const sloping = trend === 'none' ? sql`false` : seenTwice
  const outside = (1 - confidence) / 2
  // | query        | holds                                                                          |
  // | ------------ | ------------------------------------------------------------------------------ |
  // | `timed`      | the points, counted from their series' first, with their slots                 |
  // | `centred`    | each point minus the mean of its slot, which gives the slope                   |
  // | `sloped`     | each point with its series' slope                                              |
  // | `levelled`   | one row for each slot: its level, and its points without the trend             |
  // | `residuals`  | how far each point is off its slot's level                                     |
  // | `neighbours` | each residual with the one before it                                           |
  // | `summed`     | one row for each series                                                        |
  // | `weighed`    | the effective number of independent points                                     |
  // | `widened`    | how much the interval grows for few points and for the trend                   |
  // | `future`     | one row for each future bucket, moved along the trend from its slot's level    |
  // | `predicted`  | the same, with the level added                                                 |
  //
  // Levels meet the future in a window, not in a join, for which the planner would have to estimate
  // a frame's rows. A residual below 1e-140 is rounding: its square would be an underflow, which
  // PostgreSQL reports as an error.
  const points = sql<ForecastPoint>`(
    with timed as (${timedPoints(scope, frame, sql`, ${slotOf('point.bucket')} as slot`)}),
    centred as (
      select timed.*,
        hours - avg(hours) over slot as hours_off,
        rise - avg(rise) over slot as rise_off,
        avg(hours) over series as mean_hours,
        max(hours) over series as last_hours,
        max(bucket) over series as last_at
      from timed
      window slot as (partition by series, slot), series as (partition by series)
    ),
    sloped as (
      select series, slot, first_value, rise, hours, mean_hours, last_hours, last_at,
        case when ${sloping} then coalesce(sum(hours_off * rise_off) over series / nullif(sum(hours_off * hours_off) over series, 0::float8), 0) else 0 end
          as slope,
        case when ${sloping} then nullif(sum(hours_off * hours_off) over series, 0::float8) end as hours_squared
      from centred
      window series as (partition by series)
    ),
    levelled as (
      select series, slot,
        min(first_value) as first_value, min(slope) as slope, min(hours_squared) as hours_squared,
        min(mean_hours) as mean_hours, min(last_hours) as last_hours, min(last_at) as last_at,
        pg_catalog.array_agg(hours) as hours,
        pg_catalog.array_agg(rise - slope * hours) as levels,
        pg_catalog.percentile_cont(0.5::float8) within group (order by rise - slope * hours) as level
      from sloped
      group by series, slot
    ),
    residuals as (
      select levelled.series, levelled.slot, levelled.first_value, levelled.slope, levelled.hours_squared, levelled.mean_hours,
        levelled.last_hours, levelled.last_at, point.hours as at_hours,
        case when abs(point.level - levelled.level) < 1e-140::float8 then 0 else point.level - levelled.level end as residual
      from levelled cross join lateral unnest(levelled.hours, levelled.levels) as point (hours, level)
    ),
    neighbours as (
      select residuals.*, pg_catalog.lag(residual) over (partition by series order by at_hours) as residual_before from residuals
    ),
    summed as (
      select series,
        min(first_value) as first_value, min(slope) as slope, min(hours_squared) as hours_squared,
        min(mean_hours) as mean_hours, min(last_hours) as last_hours, min(last_at) as last_at,
        count(*)::float8 as points,
        pg_catalog.count(distinct slot)::float8 as slots,
        sum(residual * residual) as squared,
        ${likeness} as likeness,
        greatest(0, -pg_catalog.percentile_cont(${outside}::float8) within group (order by residual)) as below,
        greatest(0, pg_catalog.percentile_cont(${1 - outside}::float8) within group (order by residual)) as above
      from neighbours
      group by series
    ),
    weighed as (
      select summed.*, points * (1::float8 - likeness) / (1::float8 + likeness) as effective_points,
        squared / greatest(points - slots - 1::float8, 1) as variance
      from summed
    ),
    widened as (
      select weighed.*,
        sqrt((per_slot + 1::float8) / (per_slot - 1::float8)) as widening,
        coalesce(
          ${scope.id('student_t_width')}(${confidence}::float8, ${normalWidth(confidence)}::float8, greatest(effective_points - 2::float8, 2))
            * sqrt(variance * points / effective_points / hours_squared),
          0
        ) as slope_width
      from weighed cross join lateral (select greatest(effective_points / slots, 1.5) as per_slot) as share
    ),
    future as (
      select widened.series, ${slotOf('step.bucket')} as slot, step.bucket,
        first_value + slope * (last_hours + step.ahead) as moved,
        case when points >= slots + 3::float8 then widening * below end as below,
        case when points >= slots + 3::float8 then widening * above end as above,
        slope_width * (last_hours + step.ahead - mean_hours) as drift
      from widened
      cross join lateral (
        select last_at + step::float8 * ${exactInterval(every)} as bucket, step::float8 * ${milliseconds(every) / 3_600_000}::float8 as ahead
        from generate_series(1, ${steps}::int4) as step
      ) as step
    ),
    predicted as (
      select met.series, met.bucket, moved + max(level) over (partition by met.series, met.slot) as value,
        below, above, drift
      from (
        select series, slot, bucket, null::float8 as level, moved, below, above, drift from future
        union all
        select series, slot, null, level, null, null, null, null from levelled
      ) as met
    )
    select series, bucket, value,
      value - ${both(sql`below`)} as lower,
      value + ${both(sql`above`)} as upper
    from predicted
    where bucket is not null
    order by series collate "C", bucket
  )`
  return finished(scope, points, 'point')
}

/**
 * The width of two independent uncertainties together, the residuals' and the trend's: the root of
 * the sum of their squares. Dividing by the greater one keeps the squares within doubles; what then
 * underflows is too small to change the sum.
 */
const both = (residual: RawBuilder<unknown>) => sql`case
  when greatest(${residual}, drift) = 0::float8 then ${residual}
  when ${residual} is not null then greatest(${residual}, drift)
    * sqrt(1::float8 + greatest(1e-100, least(${residual}, drift) / greatest(${residual}, drift)) ^ 2::float8)
end`
