import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { decimalFraction } from '../../schema/decimal.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

/**
 * The counts of a service level: two frames whose series have the same names, such as `call_count`
 * and `error_count`.
 */
export interface ServiceLevelCounts {
  /** The number of events in each bucket. */
  total: SeriesFrame
  /** The number of bad events. A bucket or a series that is missing here had none. */
  bad: SeriesFrame
}

/** The share of events that should be good: above 0, below 1. */
export const objectiveShare = z.number().gt(0).lt(1)

/**
 * The allowed number of bad events for `total`, and the burn rate of `bad`. The arithmetic uses
 * whole numbers, `bad * 1000 / (total * 1)` for 0.999, so that exactly the allowed number burns
 * exactly 1.
 */
export function toleranceOf(objective: number) {
  const { numerator, denominator } = decimalFraction(objective)
  const [part, whole] = [sql`${denominator - numerator}::float8`, sql`${denominator}::float8`]
  return {
    allowed: (total: RawBuilder<unknown>) => sql<number>`${total} * ${part} / ${whole}`,
    burn: (bad: RawBuilder<unknown>, total: RawBuilder<unknown>) =>
      sql<number | null>`${bad} * ${whole} / nullif(${total} * ${part}, 0::float8)`,
  }
}

/** Both counts in one frame: a row for each row of either, with null for the other's count. */
export function countedEvents(scope: Scope, { total, bad }: ServiceLevelCounts) {
  const none = sql<number | null>`null::float8`
  const totals = scope.db
    .selectFrom(measuredPoints(scope, total).as('point'))
    .select(['point.series', 'point.bucket', sql<number | null>`point.value`.as('total'), none.as('bad')])
  const bads = scope.db
    .selectFrom(measuredPoints(scope, bad).as('point'))
    .select(['point.series', 'point.bucket', none.as('total'), sql<number | null>`point.value`.as('bad')])
  return totals.unionAll(bads)
}
