import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { measuredPoints } from '../points.ts'
import type { Direction } from '../anomalies/anomaly.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface ChangePointOptions {
  /** The fewest points that make a level. At least 2. Default: 10. */
  minPoints?: number
  /**
   * A change counts if its score squared is above this times the logarithm of the number of points.
   * A higher penalty gives fewer changes. Default: 4.
   */
  penalty?: number
}

const changePointOptions = z.strictObject({
  minPoints: z.int().min(2).max(50_000).default(10),
  penalty: z.number().gt(0).max(1e6).default(4),
})

/** A lasting change of the level of a series. Levels are in the series' unit. */
export interface ChangePoint {
  series: string
  /** The first bucket of the new level. */
  bucket: Date
  /** The median from the previous change to this one. */
  before_level: number
  /** The median from this change to the next one. */
  after_level: number
  /** `after_level` minus `before_level`. */
  shift: number
  direction: Direction
  /** The number of points of the level before. */
  before_points: number
  /** The number of points of the level after. */
  after_points: number
  /**
   * How far apart the means of both sides are, in the standard deviations expected if nothing had
   * changed.
   */
  score: number
  /** Equal to `series`: it makes the answer a ranking frame. */
  item: string
}

/**
 * When the level of each series changed for good: slower since the deploy, more errors since
 * Tuesday. One row for each change, ordered by series, then time.
 *
 * `anomalies` compares each point with its past only. `changePoints` looks at the whole frame from
 * both sides: it needs some points after a change, and then names the exact point.
 *
 * | | |
 * |---|---|
 * | a spike, however high | is not a change: values are clipped at three deviations from their stretch's median, and the medians of both sides must be as far apart as the score says |
 * | a short, passing change | can be missed |
 * | a trend | is given as a staircase |
 * | a season larger than the noise | is given as its mornings and evenings: remove it first, or compare days by `resample` |
 * | a series without a level (autocorrelation above about 0.9) | gives meaningless changes: raise the penalty, or use another method |
 * | null, NaN, a magnitude above 1e100 | is ignored; gaps do not matter |
 * | fewer than `2 * minPoints` points | no change |
 * | more than 50,000 points in a series | an error says so: resample, or give a shorter range |
 *
 * 1. The series is split where the means of both sides differ most for their lengths (the largest
 *    cumulative sum). Both sides are split again, while `score ^ 2 > penalty * ln(points)`.
 * 2. Each change is then placed again between its two neighbours until none moves, and dropped if
 *    it does not hold there.
 * 3. The noise is the mean square of the differences of neighbours, without those beyond three
 *    deviations. It is multiplied by `sqrt((1 + r) / (1 - r))`, where `r` is the lag-1
 *    autocorrelation, estimated from differences of points one and two apart. If most neighbours
 *    are equal, as in counts of rare events, all differences count, `r` is 0, and medians are not
 *    checked.
 *
 * Cost: each split reads its stretch. 20,000 points take about a second with few changes, and about
 * 15 seconds as a wave that rises and falls 70 times.
 *
 * Literature: Page, "Continuous Inspection Schemes" (Biometrika 1954), the cumulative sum; Huber,
 * "Robust Estimation of a Location Parameter" (1964), the clipping; Scott and Knott (Biometrics
 * 1974), binary segmentation; Chakar et al., "A Robust Approach for Estimating Change-Points in the
 * Mean of an AR(1) Process" (Bernoulli 2017), the noise; Zhang and Siegmund, "A Modified Bayes
 * Information Criterion" (Biometrics 2007), whose penalty for independent points is about 3 ln n.
 * The default is higher because the autocorrelation is an estimate.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('2 days') })
 * await changePoints(scope, latency).where('direction', '=', 'up').execute()
 *
 * // select "change".* from (
 * //   select "found"."series", found.buckets[found.at] as "bucket", ...
 * //   from (select "point"."series", pg_catalog.array_agg(point.bucket order by point.bucket) as
 * //     "buckets", ... group by ("point"."series") collate "C") as "gathered"
 * //   cross join lateral "public"."change_points"(gathered.values, $1::int4, $2::float8 * ln(...))
 * //     as "found" ... order by ("found"."series") collate "C", "bucket"
 * // ) as "change"
 */
export function changePoints(scope: Scope, frame: SeriesFrame, options: ChangePointOptions = {}): Finished<ChangePoint, 'change'> {
  const { minPoints, penalty } = parseOptions(changePointOptions, options)
  const gathered = scope.db
    .selectFrom(measuredPoints(scope, frame).as('point'))
    .select([
      'point.series',
      sql<Date[]>`pg_catalog.array_agg(point.bucket order by point.bucket)`.as('buckets'),
      sql<number[]>`pg_catalog.array_agg(point.value order by point.bucket)`.as('values'),
    ])
    .groupBy('point.series')
  const found = scope.db
    .selectFrom(gathered.as('gathered'))
    .crossJoinLateral(
      sql<{ at: number; score: number }>`${scope.id('change_points')}(
        gathered.values, ${minPoints}::int4, ${penalty}::float8 * ln(pg_catalog.cardinality(gathered.values)::float8)
      )`.as('found'),
    )
    .selectAll('gathered')
    .select([
      'found.at',
      'found.score',
      sql<number>`pg_catalog.lag(found.at, 1, 1) over (partition by gathered.series order by found.at)`.as('previous'),
      sql<number>`pg_catalog.lead(found.at, 1, pg_catalog.cardinality(gathered.values) + 1) over (partition by gathered.series order by found.at)`.as(
        'next',
      ),
    ])
  const level = (from: 'previous' | 'at', to: 'at' | 'next') =>
    sql<{ median: number }>`(
      select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as median
      from pg_catalog.unnest(found.values[${sql.ref(`found.${from}`)}:${sql.ref(`found.${to}`)} - 1]) as value
    )`
  const changes = scope.db
    .selectFrom(found.as('found'))
    .crossJoinLateral(level('previous', 'at').as('earlier'))
    .crossJoinLateral(level('at', 'next').as('later'))
    .select([
      'found.series',
      sql<Date>`found.buckets[found.at]`.as('bucket'),
      'earlier.median as before_level',
      'later.median as after_level',
      sql<number>`later.median - earlier.median`.as('shift'),
      sql<Direction>`case when later.median < earlier.median then 'down' else 'up' end`.as('direction'),
      sql<number>`found.at - found.previous`.as('before_points'),
      sql<number>`found.next - found.at`.as('after_points'),
      'found.score',
      'found.series as item',
    ])
    .orderBy(byBytes(sql.ref('found.series')))
    .orderBy('bucket')
  return finished(scope, changes, 'change')
}
