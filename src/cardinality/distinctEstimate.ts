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
 * | more | estimated, `standard_error` at most 2.3 % of the count: 1.6 % of 400, 1.8 % of 5,000 |
 */
export interface DistinctEstimate {
  /** How many different values came. */
  distinct_count: number
  /** By so much the count may be off, in two of three cases; 0 where it is exact. */
  standard_error: number
}

/** How many values a sketch has seen, without the bias of the classic estimate; 0 for none. */
export const distinctCountOf = (scope: Scope, sketch: Expression<Uint8Array | null>): RawBuilder<number> =>
  sql`coalesce(${hllCardinality(scope, sketch, { estimator: 'ertl' })}, 0::float8)`

/** What `Hll.estimate` says of that count: 0 where the sketch holds the hashes of all values. */
export const standardErrorOf = (scope: Scope, sketch: Expression<Uint8Array | null>, count: Expression<number>): RawBuilder<number> =>
  sql`coalesce(${scope.id('hyperloglog_ertl_error')}(${sketch}, ${count}), 0::float8)`

/**
 * Whether an estimate says little: its standard error is more than half of it. True of null, which
 * is what sketches give that are full to the limit.
 */
export const isNoise = (estimate: Expression<unknown>, error: Expression<unknown>): RawBuilder<boolean> =>
  sql`coalesce(${error} > ${estimate} / 2::float8, true)`

/** Where no row has a sketch, that of nothing, by the parameters that all sketches of ours have. */
export const sketchOrEmpty = (sketch: Expression<Uint8Array | null>): RawBuilder<Uint8Array> =>
  sql`coalesce(${sketch}, decode('118b7f'::text, 'hex'::text))`
