import { sql } from 'kysely'
import { z } from 'zod'
import { durationText } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import type { SeriesFrame } from './seriesFrame.ts'

/** How a point is judged by the points before it. */
export interface RobustScoreOptions {
  /** Robust z-scores against the moving median; the only method so far. */
  method?: 'robust-z'
  /** How long before a bucket its normal is learnt from: the points in `[bucket - window, bucket)`. Default: `'1 hour'`. */
  window?: string
  /** Scores above it are anomalies. Default: 4. */
  threshold?: number
  /** With fewer points in the window before it, a bucket is not judged. Default: 5. */
  minPoints?: number
  /** The spread is taken to be at least this share of the expected value, so that a calm series does not cry wolf. Default: 0.05. */
  floor?: number
  /** The spread is taken to be at least this, in the series' unit. Default: 0. */
  minSpread?: number
}

const robustScoreOptions = z.strictObject({
  method: z.literal('robust-z').default('robust-z'),
  window: durationText.default('1 hour'),
  threshold: z.number().min(0).default(4),
  minPoints: z.int().min(1).default(5),
  floor: z.number().min(0).max(1e100).default(0.05),
  minSpread: z.number().min(0).max(1e100).default(0),
})

export const parseRobustScoreOptions = (options: RobustScoreOptions) => parse(robustScoreOptions, options, 'options')

/**
 * Every point of a series frame that has enough points before it, with what those let expect and how far off it is.
 *
 * One pass: the window function gathers each point's predecessors into an array, and the median and the median absolute deviation are taken from
 * that. No point is compared with itself or with a later one.
 */
export function robustScores(scope: Scope, frame: SeriesFrame, { window, minPoints, floor, minSpread }: RobustScoreSettings) {
  // Beyond these magnitudes the arithmetic below would leave the doubles, which PostgreSQL reports as an error. NaN is above every number.
  const points = scope.db
    .selectFrom(frame.as('point'))
    .select([
      'point.series',
      'point.bucket',
      sql<number>`case when abs("point"."value"::float8) < 1e-100 then 0 else "point"."value"::float8 end`.as('value'),
    ])
    .where(sql<boolean>`abs("point"."value"::float8) <= 1e100`)
  const history = scope.db
    .selectFrom(points.as('point'))
    .selectAll('point')
    .select(
      sql<number[] | null>`array_agg("point"."value") over (
        partition by "point"."series" order by "point"."bucket"
        range between ${window}::interval preceding and current row exclude group
      )`.as('before'),
    )
  const judged = scope.db
    .selectFrom(history.as('point'))
    .crossJoinLateral(
      sql<{ expected: number }>`(
        select percentile_cont(0.5) within group (order by earlier) as expected from unnest("point"."before") as earlier
      )`.as('middle'),
    )
    .crossJoinLateral(
      sql<{ deviation: number }>`(
        select percentile_cont(0.5) within group (order by abs(earlier - "middle"."expected")) as deviation from unnest("point"."before") as earlier
      )`.as('around'),
    )
    .where(sql<boolean>`cardinality("point"."before") >= ${minPoints}::int4`)
    .select([
      'point.series',
      'point.bucket',
      'point.value',
      'middle.expected',
      sql<number>`greatest(1.4826 * "around"."deviation", ${floor}::float8 * abs("middle"."expected"), ${minSpread}::float8)`.as('spread'),
    ])
  return scope.db
    .selectFrom(judged.as('point'))
    .selectAll('point')
    .select([
      sql<number>`case
        when "point"."value" = "point"."expected" then 0
        when "point"."spread" = 0 then 'Infinity'
        else abs("point"."value" - "point"."expected") / "point"."spread"
      end`.as('score'),
      sql<Direction>`case when "point"."value" < "point"."expected" then 'down' else 'up' end`.as('direction'),
      'point.series as item',
    ])
}

type RobustScoreSettings = ReturnType<typeof parseRobustScoreOptions>

/** Which way a point left what was expected. */
export type Direction = 'up' | 'down'
