import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { bounded } from '../database/sql/bounded.ts'
import { inAnyOrder } from '../database/sql/inAnyOrder.ts'
import type { SeriesFrame } from './seriesFrame.ts'

/** The value of `point` as float8, within the bounds that arithmetic bears: see `bounded`. */
export const boundedValue = sql<number | null>`${sql.raw(bounded('point.value::float8'))}`

/**
 * All points of a frame, with values that the algebra can compute with: magnitudes below 1e-100 are
 * 0, above 1e100 infinite. Null and NaN stay. Other columns of the frame are left behind.
 */
export function boundedPoints(scope: Scope, frame: SeriesFrame) {
  return scope.db.selectFrom(inAnyOrder(frame).as('point')).select(['point.series', 'point.bucket', boundedValue.as('value')])
}

/**
 * The points of a frame that conclusions are drawn from: series, bucket and value as float8.
 *
 * Nulls, NaN and magnitudes above 1e100 are no measurements and left out; magnitudes below 1e-100
 * are 0. Beyond these the squares and products of what follows would leave the doubles, which
 * PostgreSQL reports as an error.
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
