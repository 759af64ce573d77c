import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { oneOrMore } from '../schema/oneOrMore.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { hllOverlap, type HllOverlapRow } from '../sketch/hll/hllOverlap.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { isNoise, sketchColumns, sketchOrEmpty } from './distinctEstimate.ts'
import { dimensionName, sketchesOver } from './sketchRows.ts'

/** A group of values: those that some resources reported in a range. */
export interface OverlapGroup {
  /** URN of the reporting resource, or a list of them; every resource if it is not given. */
  resource?: string | readonly string[]
  /** Five-minute buckets that begin in it count. */
  range: TimeRange
  /** Which values count: all, or those that came with an error. Default: `'distinct'`. */
  measure?: 'distinct' | 'distinct_error'
}

export interface OverlapOptions {
  /** The dimension that is counted, as given to `ingest`: `'user'`. */
  dimension: string
  /** The two groups: of different resources, different times, or both. */
  a: OverlapGroup
  b: OverlapGroup
}

/** What two groups have in common. */
export interface Overlap extends HllOverlapRow {
  /**
   * Whether the standard error of the intersection is more than half of it: it then says little.
   */
  noise: boolean
}

const overlapGroup = z.strictObject({
  resource: oneOrMore(urnText).optional(),
  range: timeRange,
  measure: z.enum(['distinct', 'distinct_error']).default('distinct'),
})

const overlapOptions = z.strictObject({ dimension: dimensionName, a: overlapGroup, b: overlapGroup })

/**
 * How many values two groups have in common: users of two services, users of this week and last
 * week.
 *
 * | | |
 * |---|---|
 * | rows | one |
 * | up to 160 values in each group | exact: every `_standard_error` is 0 |
 * | more | the sizes are those of `distinctOver`; the intersection is the one that makes the registers of both sketches most likely |
 * | a small part of large groups | is `noise`: for two groups of 100,000, an overlap of 10 % is known to 15 %, one of 1 % is unknown |
 * | read from | as few rows as possible: days, the hours around them, the rest from five minutes |
 * | an empty group | has 0 values and no error |
 *
 * @throws InvalidInputError if the dimension, a URN, a range or a measure is invalid; names the
 * field, such as `a.range`.
 * @example
 * const [both] = await overlap(scope, {
 *   dimension: 'user',
 *   a: { resource: checkout, range: last('1 day') },
 *   b: { resource: [search, cart], range: last('1 day') },
 * }).execute()
 * // { a_count: 812.4, b_count: 5_204.9, intersection_count: 640.2, intersection_standard_error: 31.7, jaccard: 0.119, noise: false, ... }
 *
 * // select "overlap".* from (
 * //   select overlap.*, coalesce(overlap.intersection_standard_error > overlap.intersection_count / 2, true) as noise
 * //   from (select "public"."hyperloglog_merge"(part.distinct_sketch) as sketch from (... and sketch.resource_id = any (...)) as part) as a
 * //   cross join (...) as b
 * //   cross join lateral "public"."hyperloglog_overlap"(a.sketch, b.sketch) as overlap
 * // ) as "overlap"
 */
export function overlap(scope: Scope, options: OverlapOptions): Finished<Overlap, 'overlap'> {
  const { dimension, a, b } = parseOptions(overlapOptions, options)
  const merged = ({ resource, range, measure }: typeof a) => sql`(
    select ${hllUnion(scope, sql.ref(`part.${sketchColumns[measure]}`))} as sketch
    from ${sketchesOver(scope, { dimension, resource, range })} as part
  )`
  const rows = sql<Overlap>`(
    select both_groups.*, ${isNoise(sql`both_groups.intersection_count`, sql`both_groups.intersection_standard_error`)} as noise
    from ${merged(a)} as a
    cross join ${merged(b)} as b
    cross join lateral ${hllOverlap(scope, sketchOrEmpty(sql`a.sketch`), sketchOrEmpty(sql`b.sketch`))} as both_groups
  )`
  return finished(scope, rows, 'overlap')
}
