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
  /**
   * A level has at least so many points: what lasts for less is no level. At least 2. Default: 10.
   */
  minPoints?: number
  /**
   * A change counts when its score squared is above this times the logarithm of the series' points.
   * Fewer changes the higher it is. Default: 4.
   */
  penalty?: number
}

const changePointOptions = z.strictObject({
  minPoints: z.int().min(2).max(50_000).default(10),
  penalty: z.number().gt(0).max(1e6).default(4),
})

/** When the level of a series changed for good. Levels are in the series' unit. */
export interface ChangePoint {
  series: string
  /** The first bucket of the new level. */
  bucket: Date
  /** The median from the change before this one to this one. */
  before_level: number
  /** The median from this change to the next one. */
  after_level: number
  /** `after_level` less `before_level`. */
  shift: number
  direction: Direction
  /** How many points long the level before is. */
  before_points: number
  /** How many points long the level after is. */
  after_points: number
  /**
   * By how many standard deviations the means of both sides are further apart than they would be
   * without a change.
   */
  score: number
  /** The series again: the answer is a ranking frame. */
  item: string
}

/**
 * When the level of each series changed for good: since the deploy it is slower, since Tuesday
 * there are more errors. A row for each change, by series and time.
 *
 * Unlike `anomalies`, which asks of each point whether the past lets expect it, this looks at the
 * whole frame from both sides: it needs some points after a change, and then says to the point when
 * it was.
 *
 * | | |
 * |---|---|
 * | a spike, however high | is no change: values count as at most three deviations away from their stretch's median, and the medians of both sides have to be as far apart as the score says |
 * | a passing change, short beside what is around it | can go unnoticed: it did not change for good |
 * | a trend | is given as stairs |
 * | a season larger than the noise | is given as its mornings and evenings: take it off first, or compare days by `resample` |
 * | a series without a level to come back to (autocorrelation above 0.9 or so) | has changes everywhere and nowhere: raise the penalty, or do not ask |
 * | null, NaN, a magnitude above 1e100 | is no point; gaps do not matter |
 * | fewer than `2 * minPoints` points | have no change |
 * | a series of more than 50,000 points | is refused by an error that says so: resample it, or give a shorter range |
 *
 * How it works: the series is split where both sides' means differ most for their lengths (the
 * largest cumulative sum), both sides are split again, and so on while
 * `score ^ 2 > penalty * ln(points)`. Then each change is placed anew between its two neighbours,
 * until none moves, and given up where it does not hold there. The noise is the mean square of the
 * differences of neighbours without those beyond three deviations, which know nothing of levels. As
 * points mostly are like their neighbours, it counts `sqrt((1 + r) / (1 - r))` fold, `r` being the
 * autocorrelation from one to the next, had from the differences of points one and two apart. Where
 * most neighbours are equal, as in counts of rare events, all differences count, `r` is taken for
 * 0, and the medians have no say.
 *
 * Cost: each split reads its stretch. 20,000 points take a second or so with few changes, and some
 * 15 seconds as a wave that rises and falls 70 times.
 *
 * Literature: Page, "Continuous Inspection Schemes" (Biometrika 1954) for the cumulative sum,
 * Huber, "Robust Estimation of a Location Parameter" (1964) for the clipping, Scott and Knott
 * (Biometrics 1974) for binary segmentation, Chakar et al., "A Robust Approach for Estimating
 * Change-Points in the Mean of an AR(1) Process" (Bernoulli 2017) for the noise; Zhang and
 * Siegmund, "A Modified Bayes Information Criterion" (Biometrics 2007), whose penalty of
 * independent points is about 3 ln n: the default is higher since the autocorrelation is only
 * estimated.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('2 days') })
 * await changePoints(scope, latency).where('direction', '=', 'up').execute()
 *
 * // select "change".* from (
 * //   select "found"."series", found.buckets[found.at] as "bucket", "earlier"."median" as
 * //     "before_level", "later"."median" as "after_level", ... from (
 * //     select "gathered".*, ..., pg_catalog.lag(found.at, 1, 1) over (...) as "previous",
 * //       pg_catalog.lead(found.at, 1, ...) over (...) as "next"
 * //     from (select "point"."series", pg_catalog.array_agg(point.bucket order by point.bucket) as
 * //       "buckets", ... group by ("point"."series") collate "C") as "gathered"
 * //     cross join lateral "public"."change_points"(gathered.values, $1::int4, $2::float8 *
 * //       ln(...)) as "found"
 * //   ) as "found"
 * //   cross join lateral (select pg_catalog.percentile_cont(0.5::float8) ...) as "earlier" cross
 * //     join lateral (...) as "later"
 * //   order by ("found"."series") collate "C", "bucket"
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
