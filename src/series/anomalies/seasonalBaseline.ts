import { sql } from 'kysely'
import { z } from 'zod'
import { slotNumber } from '../../database/buckets.ts'
import { finished, type Finished } from '../../database/finished.ts'
import { milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { measuredPoints } from '../points.ts'
import { dividesSeason, seasonFields, slotProblem, type SeasonOptions } from '../seasonOptions.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { deviationOf, middleOf } from './medians.ts'

/** What is normal in one slot of the season. */
export interface BaselineSlot {
  series: string
  /** The index of the slot in the season, from 0. */
  slot: number
  /** The beginning of the slot, in seconds after the beginning of the season. */
  slot_start_s: number
  /** The median of the slot's points, in the series' unit. */
  expected: number
  /**
   * 1.4826 times the median absolute deviation of the slot's points, in the series' unit; 0 if at
   * least half of the points are equal.
   */
  spread: number
  /** The number of points. */
  points: number
}

const seasonalBaselineOptions = z.strictObject(seasonFields).refine(dividesSeason, slotProblem)

/**
 * What is normal at each time of the season: the median and the spread of all points in each slot
 * (by default, each hour of the week). Ordered by series, then slot.
 *
 * - Seasons are counted from Monday 2000-01-03 00:00 UTC: slot 0 of a week is Monday from 0 to 1
 *   o'clock UTC, slot 167 the last hour of Sunday. They do not follow a time zone: local office
 *   hours move by one slot when daylight saving time begins.
 * - The frame decides what is learned from. Give it several whole seasons; otherwise slots are
 *   learned from different weeks. A baseline stays right until half of a slot's points are
 *   anomalous.
 * - Nulls, NaN and magnitudes above 1e100 are ignored, see {@link SeriesRow}. A slot without any
 *   other value has no row.
 * - To find points that leave the baseline, use `anomalies` with the method `'seasonal'`. To draw
 *   it, use {@link baselineSeries}.
 *
 * Literature: Tukey, "Exploratory Data Analysis" (1977), for medians by slot; Rousseeuw and Croux,
 * "Alternatives to the Median Absolute Deviation" (JASA 1993) for the factor 1.4826, which gives
 * the standard deviation if the points are normally distributed.
 *
 * @throws InvalidInputError naming the option that is wrong, for example if slots do not divide the
 * season.
 * @example
 * const latency = callSeries(scope, { to: checkout, measure: 'p95_ms', range: last('5 weeks') })
 * await seasonalBaseline(scope, latency, { season: '1 day', slot: '15 minutes' }).execute()
 *
 * // select "baseline".* from (
 * //   select "slot"."series", "slot"."slot", ..., "middle"."expected", 1.4826::float8 *
 * //     around.deviation as "spread",
 * //     pg_catalog.cardinality(slot.values) as "points"
 * //   from (
 * //     select "point"."series", <slot of "point"."bucket"> as "slot",
 * //       pg_catalog.array_agg(point.value) as "values"
 * //     from (...) as "point" group by "point"."series", "slot"
 * //   ) as "slot" cross join lateral (select pg_catalog.percentile_cont(0.5::float8) ...) as
 * //     "middle" cross join lateral (...) as "around"
 * //   order by ("slot"."series") collate "C", "slot"."slot"
 * // ) as "baseline"
 */
export function seasonalBaseline(scope: Scope, frame: SeriesFrame, options: SeasonOptions = {}): Finished<BaselineSlot, 'baseline'> {
  const { season, slot } = parseOptions(seasonalBaselineOptions, options)
  const seconds = milliseconds(slot) / 1_000
  const slots = scope.db
    .selectFrom(measuredPoints(scope, frame).as('point'))
    .select([
      'point.series',
      slotNumber({ season, slot }, sql.ref('point.bucket')).as('slot'),
      sql<number[]>`pg_catalog.array_agg(point.value)`.as('values'),
    ])
    .groupBy(['point.series', 'slot'])
  const baseline = scope.db
    .selectFrom(slots.as('slot'))
    .crossJoinLateral(middleOf(sql.ref('slot.values')))
    .crossJoinLateral(deviationOf(sql.ref('slot.values')))
    .select([
      'slot.series',
      'slot.slot',
      sql<number>`slot.slot::float8 * ${seconds}::float8`.as('slot_start_s'),
      'middle.expected',
      sql<number>`1.4826::float8 * around.deviation`.as('spread'),
      sql<number>`pg_catalog.cardinality(slot.values)`.as('points'),
    ])
    .orderBy(byBytes(sql.ref('slot.series')))
    .orderBy('slot.slot')
  return finished(scope, baseline, 'baseline')
}
