import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { hllCardinality } from '../sketch/hll/hllCardinality.ts'

/** Which values count: all, or those that came with an error. */
export const sketchColumns = { distinct: 'distinct_sketch', distinct_error: 'error_sketch' } as const

/**
 * How many different values, from a sketch.
 *
 * | | |
 * |---|---|
 * | up to 160 values | exact, `standard_error` 0 |
 * | more | estimated, `standard_error` 2.3 % of the count |
 */
export interface DistinctEstimate {
  /** How many different values came. */
  distinct_count: number
  /** By so much the count may be off, in two of three cases; 0 where it is exact. */
  standard_error: number
}

/** The relative standard error of the sketches of `sketch_5m`: 2 ** 11 registers. */
const relativeError = 1.04 / Math.sqrt(2 ** 11)

/** How many values a sketch has seen, without the bias of the classic estimate; 0 for none. */
export const distinctCountOf = (scope: Scope, sketch: Expression<Uint8Array | null>): RawBuilder<number> =>
  sql`coalesce(${hllCardinality(scope, sketch, { estimator: 'ertl' })}, 0::float8)`

/** Empty and explicit sketches, by their first byte, hold the hashes of all values. */
export const standardErrorOf = (sketch: Expression<Uint8Array | null>, count: Expression<number>): RawBuilder<number> =>
  sql`case when get_byte(${sketch}, 0) > 18 then ${count} * ${sql.lit(relativeError)}::float8 else 0::float8 end`
