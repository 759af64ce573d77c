import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { inAnyOrder } from '../database/sql/inAnyOrder.ts'
import type { SeriesFrame } from './seriesFrame.ts'

/**
 * All points of a frame, with values that the algebra can compute with: magnitudes below 1e-100 are 0, above 1e100 infinite. Null and NaN stay.
 *
 * PostgreSQL reports an overflow, and an underflow too, as an error, which would take the whole statement with it for one point of one series. Within
 * these bounds no sum, product or quotient of two leaves the doubles, and infinities and NaN go through arithmetic without an error. Other columns of
 * the frame are left behind.
 */
export function boundedPoints(scope: Scope, frame: SeriesFrame) {
  return scope.db.selectFrom(inAnyOrder(frame).as('point')).select(['point.series', 'point.bucket', boundedValue.as('value')])
}

/** The value of `point`, as {@link boundedPoints} has it. */
export const boundedValue = sql<number | null>`case
  when abs(point.value::float8) < 1e-100::float8 then 0
  when abs(point.value::float8) > 1e100::float8 then point.value::float8 * 'Infinity'
  else point.value::float8
end`
