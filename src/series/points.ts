import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { bounded } from '../database/sql/bounded.ts'
import { inAnyOrder } from '../database/sql/inAnyOrder.ts'
import type { SeriesFrame } from './seriesFrame.ts'

/** The value of `point` as float8, within bounds that arithmetic can handle: see `bounded`. */
export const boundedValue = sql<number | null>`${sql.raw(bounded('point.value::float8'))}`

/**
 * All points of a frame with values that are safe to compute with: magnitudes below 1e-100 become
 * 0, those above 1e100 infinite. Null and NaN stay. Other columns are dropped.
 */
export function boundedPoints(scope: Scope, frame: SeriesFrame) {
  return scope.db.selectFrom(inAnyOrder(frame).as('point')).select(['point.series', 'point.bucket', boundedValue.as('value')])
}

/**
 * The measured points of a frame: series, bucket and value as float8.
 *
 * Nulls, NaN and magnitudes above 1e100 are left out; magnitudes below 1e-100 become 0. Beyond
 * these bounds later squares and products would overflow or underflow, which PostgreSQL reports as
 * an error.
 */
export function measuredPoints(scope: Scope, frame: SeriesFrame) {
  return scope.db
    .selectFrom(inAnyOrder(frame).as('point'))
    .select([
      'point.series',
      'point.bucket',
      sql<number>`case when abs(point.value::float8) < '1e-100'::float8 then 0 else point.value::float8 end`.as('value'),
    ])
    .where(sql<boolean>`abs(point.value::float8) <= '1e100'::float8`) // PostgreSQL has NaN above every number.
}
