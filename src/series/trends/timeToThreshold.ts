import { sql } from 'kysely'
import { z } from 'zod'
import { durationText, milliseconds } from '../../database/range.ts'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { confidenceShare, trendLines } from './trendLines.ts'

export interface TimeToThresholdOptions {
  /** In the series' unit. */
  threshold: number
  /**
   * The side from which the threshold is reached. `'up'`: at it or above (a disk fills). `'down'`:
   * at it or below (a certificate's days run out). Default: `'up'`.
   */
  direction?: 'up' | 'down'
  /** The confidence of the interval from `earliest` to `latest`, 0.5 to 0.9999. Default: 0.95. */
  confidence?: number
  /** A time later than this after the last point counts as never. Default: `'365 days'`. */
  horizon?: string
}

/** The series is at the threshold now, reaches it later, or not within the horizon. */
export type ThresholdState = 'already' | 'reaches' | 'never'

/** When a series reaches a threshold, if it goes on as before. */
export interface ThresholdCrossing {
  series: string
  state: ThresholdState
  /** When the line reaches the threshold; null unless `state` is `'reaches'`. */
  at: Date | null
  /**
   * When the near edge of the line's band reaches it, not before the last point; null if that is
   * beyond the horizon.
   */
  earliest: Date | null
  /** When the far edge reaches it; null if that is beyond the horizon: it may never happen. */
  latest: Date | null
  /** The last bucket with a measurement. */
  last_at: Date
  /** The line's value at `last_at`, in the series' unit. */
  last_level: number
  /** The rise of the line in an hour, in the series' unit. */
  slope_per_hour: number
}

const timeToThresholdOptions = z.strictObject({
  threshold: z.number().min(-1e100).max(1e100),
  direction: z.enum(['up', 'down']).default('up'),
  confidence: confidenceShare.default(0.95),
  horizon: durationText.default('365 days'),
})

/**
 * When each series reaches a threshold, if it goes on as before: "when is the disk full". Series
 * that are there already come first, then the soonest, then by series.
 *
 * It uses the line of `linearTrend` and its confidence band; see there for the assumptions. It
 * knows no seasons.
 *
 * | `state` | meaning | `at` | `earliest`, `latest` |
 * |---|---|---|---|
 * | `'already'` | the line is at or beyond the threshold at the last point | null | null |
 * | `'reaches'` | the line reaches it within the horizon | when | null if beyond the horizon, or if there are too few points to know |
 * | `'never'` | the line is flat, leads away, or takes longer than the horizon | null | `earliest` if the band still reaches it in time |
 *
 * The band is that of the line. Single points scatter around it, so a noisy series touches the
 * threshold before its line does.
 *
 * Nulls, NaN and magnitudes above 1e100 are ignored, see {@link SeriesRow}. A series with fewer
 * than two measurements has no line and no row.
 *
 * Literature: the interval is that of inverse regression, Fieller, "Some Problems in Interval
 * Estimation" (Journal of the Royal Statistical Society B 1954).
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const used = metricSeries(scope, { metric: 'system.filesystem.utilization', measure: 'max', range: last('7 days') })
 * await timeToThreshold(scope, used, { threshold: 0.95, horizon: '30 days' }).where('state', '<>', 'never').execute()
 *
 * // select "crossing".* from (
 * //   select "line"."series",
 * //     case when line.already then 'already' when line.at is null then 'never' else 'reaches' end
 * //       as "state", ...
 * //   from (... (with timed as (...) ...) as "line" ...) as "line"
 * //   order by line.already desc, line.at nulls last, ("line"."series") collate "C"
 * // ) as "crossing"
 */
export function timeToThreshold(
  scope: Scope,
  frame: SeriesFrame,
  options: TimeToThresholdOptions,
): Finished<ThresholdCrossing, 'crossing'> {
  const { threshold, direction, confidence, horizon } = parseOptions(timeToThresholdOptions, options)
  // A value as small as this counts as 0, and so must the threshold.
  const bound = Math.abs(threshold) < 1e-100 ? 0 : threshold
  const sign = sql`${sql.lit(direction === 'up' ? 1 : -1)}::float8`
  // The line is turned so that the threshold lies above. In hours u after the points' mean, the
  // line is at climb * u and the threshold at height. The band reaches width * sqrt(1 /
  // effective_points + u ^ 2 / hours_squared) to either side. An edge meets the threshold where
  // (climb ^ 2 - width ^ 2 / hours_squared) * u ^ 2 - 2 * climb * height * u + height ^ 2 - width ^ 2 / effective_points = 0.
  const turned = scope.db
    .selectFrom(trendLines(scope, frame, confidence).as('line'))
    .selectAll('line')
    .select([
      sql<number>`${sign} * line.slope`.as('steepness'),
      sql<number>`${sign} * (${bound}::float8 - line.first_value - line.mean_rise)`.as('distance'),
      sql<number>`line.last_hours - line.mean_hours`.as('last_u'),
    ])
  const measured = scope.db
    .selectFrom(turned.as('line'))
    .selectAll('line')
    .select(
      sql<number>`coalesce(nullif(greatest(abs(line.steepness), abs(line.distance), line.uncertainty), 0::float8), 1::float8)`.as('unit'),
    )
  const scaled = scope.db
    .selectFrom(measured.as('line'))
    .selectAll('line')
    .select([inUnits('steepness').as('climb'), inUnits('distance').as('height'), inUnits('uncertainty').as('width')])
  const equation = scope.db
    .selectFrom(scaled.as('line'))
    .selectAll('line')
    .select([
      sql<number | null>`line.climb * line.climb - line.width * line.width / line.hours_squared`.as('quadratic'),
      sql<number | null>`line.height * line.height - line.width * line.width / line.effective_points`.as('constant'),
      sql<number | null>`line.width * sqrt(greatest(0,
        line.climb * line.climb / line.effective_points + line.height * line.height / line.hours_squared
        - line.width * line.width / line.effective_points / line.hours_squared
      ))`.as('root'),
      sql<boolean>`line.climb * line.last_u >= line.height`.as('already'),
    ])
  const solved = scope.db
    .selectFrom(equation.as('line'))
    .selectAll('line')
    .select([
      sql<number | null>`case when line.climb > 0::float8 then line.height / line.climb end`.as('line_u'),
      // Of the two forms of a root, this one does not subtract nearly equal numbers.
      sql<number | null>`case
        when line.climb * line.last_u + line.width * sqrt(
          1::float8 / line.effective_points + line.last_u * line.last_u / line.hours_squared) >= line.height then line.last_u
        when line.climb >= 0::float8 then line.constant / nullif(line.climb * line.height + line.root, 0::float8)
        when line.quadratic < 0::float8 then (line.climb * line.height - line.root) / line.quadratic
      end`.as('near_u'),
      sql<number | null>`case
        when line.climb > 0::float8 and line.quadratic > 0::float8 then (line.climb * line.height + line.root) / line.quadratic
      end`.as('far_u'),
    ])
  const limit = milliseconds(horizon) / 3_600_000
  const moment = (u: 'line_u' | 'near_u' | 'far_u') => sql<Date | null>`case
    when not line.already and ${sql.ref(`line.${u}`)} <= line.last_u + ${limit}::float8
    then line.first_at + pg_catalog.make_interval(secs => 3600::float8 * (line.mean_hours + ${sql.ref(`line.${u}`)}))
  end`
  const dated = scope.db
    .selectFrom(solved.as('line'))
    .select([
      'line.series',
      'line.already',
      moment('line_u').as('at'),
      moment('near_u').as('earliest'),
      moment('far_u').as('latest'),
      'line.last_at',
      sql<number>`line.first_value + line.mean_rise + line.slope * line.last_u`.as('last_level'),
      'line.slope as slope_per_hour',
    ])
  const crossings = scope.db
    .selectFrom(dated.as('line'))
    .select([
      'line.series',
      sql<ThresholdState>`case when line.already then 'already' when line.at is null then 'never' else 'reaches' end`.as('state'),
      'line.at',
      'line.earliest',
      'line.latest',
      'line.last_at',
      'line.last_level',
      'line.slope_per_hour',
    ])
    .orderBy(sql`line.already desc`)
    .orderBy(sql`line.at nulls last`)
    .orderBy(byBytes(sql.ref('line.series')))
  return finished(scope, crossings, 'crossing')
}

/**
 * A column divided by the largest of the three, so that no product of two leaves the doubles. What
 * is negligible beside it becomes 0, because its square would be an underflow.
 */
const inUnits = (column: 'steepness' | 'distance' | 'uncertainty') => {
  const value = sql.ref<number | null>(`line.${column}`)
  return sql<number | null>`case when abs(${value}) / line.unit < 1e-140::float8 then 0 else ${value} / line.unit end`
}
