import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import type { Frame } from '../../database/sql/frame.ts'

/** When two samples count as different. */
export interface ComparisonOptions {
  /** A difference must be at most this likely where there is none. Default: 0.01. */
  alpha?: number
  /**
   * And at least this large, as Cliff's delta: 0.147 is called small, 0.33 medium, 0.474 large.
   * Default: 0.33.
   */
  minEffect?: number
  /**
   * With fewer points on either side the verdict is `'unknown'`. Default: 8, from where on the
   * normal approximation holds.
   */
  minPoints?: number
}

/** Whether the candidate is above the baseline, below it, neither, or cannot be told. */
export type Verdict = 'up' | 'down' | 'same' | 'unknown'

/** Two samples of a series, compared. */
export interface Comparison {
  series: string
  /** How many points the baseline has. */
  baseline_points: number
  /** How many points the candidate has. */
  candidate_points: number
  /** In the series' unit; null where the baseline has no point. */
  baseline_median: number | null
  /** In the series' unit; null where the candidate has no point. */
  candidate_median: number | null
  /** The candidate's median less the baseline's; null where either is. */
  shift: number | null
  /**
   * Cliff's delta, -1 to 1: the share of pairs in which the candidate's point is the greater one,
   * less the share in which it is the smaller. 0 is no difference, 1 that every point of the
   * candidate is above every point of the baseline. Null where either has no point.
   */
  effect: number | null
  /**
   * How likely ranks so far apart are where both samples are drawn from one distribution:
   * Mann-Whitney's U test, two-sided, by the normal approximation with corrections for ties and
   * continuity. Below about 8 points a side it is rough, and 1 where all points are equal. Null
   * where either has no point.
   */
  p_value: number | null
  /**
   * `'up'` or `'down'` where `p_value` is at most `alpha` and the effect at least `minEffect`,
   * `'unknown'` with fewer than `minPoints` on either side, else `'same'`.
   */
  verdict: Verdict
  /** The series again: the answer is a ranking frame. */
  item: string
  /** The effect's magnitude; null where it is null. */
  score: number | null
}

/** What zod knows of a comparison. */
export const comparisonFields = {
  alpha: z.number().gt(0).lt(1).default(0.01),
  minEffect: z.number().min(0).max(1).default(0.33),
  minPoints: z.int().min(1).default(8),
}

/** A value of one of two samples of a series. */
interface SampledPoint {
  series: string
  /** Whether it is of the candidate, not of the baseline. */
  candidate: boolean
  value: number
}

/**
 * Two samples of each series compared by ranks: Mann-Whitney's U from the mid-ranks of both
 * together, and what follows from it. Sorting is all the work.
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
