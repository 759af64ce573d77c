import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import type { Frame } from '../../database/sql/frame.ts'

/** When two samples count as different. */
export interface ComparisonOptions {
  /** The largest `p_value` of a difference. Default: 0.01. */
  alpha?: number
  /**
   * The smallest effect of a difference, as Cliff's delta: 0.147 is called small, 0.33 medium,
   * 0.474 large. Default: 0.33.
   */
  minEffect?: number
  /**
   * With fewer points on either side the verdict is `'unknown'`. Default: 8, from where on the
   * normal approximation holds.
   */
  minPoints?: number
}

/** The candidate is above the baseline, below it, neither, or there are too few points to know. */
export type Verdict = 'up' | 'down' | 'same' | 'unknown'

/** Two samples of a series, compared. */
export interface Comparison {
  series: string
  /** The number of points of the baseline. */
  baseline_points: number
  /** The number of points of the candidate. */
  candidate_points: number
  /** In the series' unit; null if the baseline has no point. */
  baseline_median: number | null
  /** In the series' unit; null if the candidate has no point. */
  candidate_median: number | null
  /** The candidate's median minus the baseline's; null if either is null. */
  shift: number | null
  /**
   * Cliff's delta, -1 to 1: the share of pairs in which the candidate's point is greater, minus the
   * share in which it is smaller. 0 means no difference; 1 means that every point of the candidate
   * is above every point of the baseline. Null if either has no point.
   */
  effect: number | null
  /**
   * How likely ranks this far apart are if both samples have the same distribution: the two-sided
   * Mann-Whitney U test, by the normal approximation with corrections for ties and continuity.
   * Below about 8 points a side it is a rough estimate. 1 if all points are equal; null if either
   * side has no point.
   */
  p_value: number | null
  /**
   * `'up'` or `'down'` if `p_value` is at most `alpha` and the effect at least `minEffect`;
   * `'unknown'` with fewer than `minPoints` points on either side; otherwise `'same'`.
   */
  verdict: Verdict
  /** Equal to `series`: it makes the answer a ranking frame. */
  item: string
  /** The magnitude of `effect`; null if it is null. */
  score: number | null
}

/** The zod fields of a comparison. */
export const comparisonFields = {
  alpha: z.number().gt(0).lt(1).default(0.01),
  minEffect: z.number().min(0).max(1).default(0.33),
  minPoints: z.int().min(1).default(8),
}

/** A value of one of two samples of a series. */
interface SampledPoint {
  series: string
  /** True: a point of the candidate. False: a point of the baseline. */
  candidate: boolean
  value: number
}

/**
 * Compares two samples of each series by ranks: Mann-Whitney's U from the mid-ranks of both
 * together. The cost is that of sorting.
 */
export function compareSamples(
  scope: Scope,
  sample: Frame<SampledPoint>,
  { alpha, minEffect, minPoints }: Required<ComparisonOptions>,
): Finished<Comparison, 'comparison'> {
  const ranked = scope.db
    .selectFrom(sample.as('point'))
    .select([
      'point.series',
      'point.candidate',
      'point.value',
      sql<number>`(rank() over (partition by point.series order by point.value))::float8`.as('least_rank'),
      sql<number>`(count(*) over (partition by point.series, point.value))::float8`.as('tied'),
    ])
  const counted = scope.db
    .selectFrom(ranked.as('point'))
    .select([
      'point.series',
      sql<number>`(count(*) filter (where not point.candidate))::float8`.as('baseline_points'),
      sql<number>`(count(*) filter (where point.candidate))::float8`.as('candidate_points'),
      sql<number | null>`pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where not point.candidate)`.as(
        'baseline_median',
      ),
      sql<number | null>`pg_catalog.percentile_cont(0.5::float8) within group (order by point.value) filter (where point.candidate)`.as(
        'candidate_median',
      ),
      sql<number | null>`sum(point.least_rank + (point.tied - 1::float8) / 2::float8) filter (where point.candidate)`.as('rank_sum'),
      // A run of t equal values has t rows, so this is the sum of t ^ 3 - t over the runs.
      sql<number>`sum(point.tied * point.tied - 1::float8)`.as('ties'),
    ])
    .groupBy('point.series')
  const tested = scope.db
    .selectFrom(counted.as('pair'))
    .selectAll('pair')
    .select([
      sql<number | null>`pair.rank_sum - pair.candidate_points * (pair.candidate_points + 1::float8) / 2::float8`.as('u'),
      sql<number>`pair.baseline_points * pair.candidate_points`.as('pairs'),
      sql<number>`pair.baseline_points + pair.candidate_points`.as('points'),
    ])
  const measured = scope.db
    .selectFrom(tested.as('pair'))
    .selectAll('pair')
    .select([
      sql<number | null>`(2::float8 * pair.u - pair.pairs) / nullif(pair.pairs, 0::float8)`.as('effect'),
      sql<number | null>`case
        when pair.pairs = 0::float8 then null
        else least(1, erfc(
          (abs(pair.u - pair.pairs / 2::float8) - 0.5::float8)
          / nullif(sqrt(
            2::float8 * pair.pairs / 12::float8
            * greatest(0, pair.points + 1::float8 - pair.ties / (pair.points * (pair.points - 1::float8)))
          ), 0::float8)
        ))
      end`.as('p_value'),
    ])
  const judged = scope.db
    .selectFrom(measured.as('pair'))
    .select([
      'pair.series',
      sql<number>`pair.baseline_points::int4`.as('baseline_points'),
      sql<number>`pair.candidate_points::int4`.as('candidate_points'),
      'pair.baseline_median',
      'pair.candidate_median',
      sql<number | null>`pair.candidate_median - pair.baseline_median`.as('shift'),
      'pair.effect',
      'pair.p_value',
      sql<Verdict>`case
        when least(pair.baseline_points, pair.candidate_points) < ${minPoints}::float8 then 'unknown'
        when pair.p_value > ${alpha}::float8 or abs(pair.effect) < ${minEffect}::float8 then 'same'
        when pair.effect > 0::float8 then 'up'
        else 'down'
      end`.as('verdict'),
      'pair.series as item',
      sql<number | null>`abs(pair.effect)`.as('score'),
    ])
    .orderBy('score', (order) => order.desc().nullsLast())
    .orderBy(byBytes(sql.ref('pair.series')))
  return finished(scope, judged, 'comparison')
}
