import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'

/** What two sets have in common, by their sketches; each number with its standard error. */
export interface HllOverlapRow {
  /** How many values each of the two has. */
  a_count: number
  a_standard_error: number
  b_count: number
  b_standard_error: number
  /** How many there are in either. */
  union_count: number
  union_standard_error: number
  /** How many there are in both. */
  intersection_count: number
  intersection_standard_error: number
  /** `intersection_count` by `union_count`, 0..1; 0 of two empty sets. */
  jaccard: number
  jaccard_standard_error: number
  /** `intersection_count` by `a_count`, 0..1; 0 of an empty set. */
  a_share: number
  a_share_standard_error: number
  /** `intersection_count` by `b_count`, 0..1; 0 of an empty set. */
  b_share: number
  b_share_standard_error: number
}

/**
 * How many values two sketches of `bytea` have, each, together and in common, as the row of a
 * lateral join: what `Hll.overlap` gives.
 *
 * | the two | the answer |
 * |---|---|
 * | keep their values as they are: up to 160 by default | exact |
 * | else | the number in common that makes the registers of both most likely |
 * | one is null, undefined, or has all registers at their limit | a row of nulls |
 *
 * 1.5 to 4 ms a pair of full sketches. Bytes that are no sketch, and sketches of different
 * parameters, raise.
 *
 * @example
 * db.selectFrom('visits as today')
 *   .innerJoin('visits as yesterday', ...)
 *   .innerJoinLateral(({ ref }) => hllOverlap(scope, ref('today.users'), ref('yesterday.users')).as('overlap'), (join) => join.onTrue())
 *   .select(['today.day', 'overlap.intersection_count', 'overlap.intersection_standard_error'])
 *
 * // select ... inner join lateral "public"."hyperloglog_overlap"("today"."users", "yesterday"."users") as "overlap" on true
 */
export const hllOverlap = (scope: Scope, a: Expression<Uint8Array | null>, b: Expression<Uint8Array | null>): RawBuilder<HllOverlapRow> =>
  sql`${scope.id('hyperloglog_overlap')}(${a}, ${b})`
