import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { parseOptions } from '../schema/parse.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { distinctCountOf, sketchColumns, standardErrorOf, type DistinctEstimate } from './distinctEstimate.ts'
import { reportedBy, sketchFilter, sketchParts, type SketchFilter } from './sketchRows.ts'

export interface DistinctOverOptions extends SketchFilter {
  /** Which values count: all, or those that came with an error. Default: `'distinct'`. */
  measure?: 'distinct' | 'distinct_error'
  /** One row for all resources together, or one for each resource. Default: `'all'`. */
  by?: 'all' | 'resource'
}

/** How many distinct values a range has. */
export interface DistinctOver extends DistinctEstimate {
  /** URN of the reporting resource; null if the row stands for all resources. */
  urn: string | null
  /** How often values came, with repetitions. */
  count_total: number
  /** How often values came with an error. */
  count_error: number
}

const distinctOverOptions = z.strictObject({
  ...sketchFilter,
  measure: z.enum(['distinct', 'distinct_error']).default('distinct'),
  by: z.enum(['all', 'resource']).default('all'),
})

/**
 * The number of distinct values of a dimension over a whole range: users of a day, clients of an
 * hour.
 *
 * | | |
 * |---|---|
 * | several buckets and resources | the sketches are merged: a value that came twice counts once |
 * | read from | whole days from `sketch_1d`, the hours around them from `sketch_1h`, the rest from `sketch_5m`; the answer equals that of `sketch_5m` alone |
 * | error | `standard_error`; 0 up to 160 values, which are exact |
 * | order with `'resource'` | `distinct_count` descending, then `urn` by its bytes |
 * | no values | with `'all'` a row of zeros; with `'resource'` no row |
 *
 * @throws InvalidInputError if the dimension, the URN, the range, the measure or `by` is invalid;
 * names the field.
 * @example
 * const [users] = await distinctOver(scope, { dimension: 'user', range: last('7 days') }).execute()
 * // { urn: null, distinct_count: 18_204.3, standard_error: 418.4, ... }
 *
 * // select "values".* from (
 * //   select merged.*, coalesce("public"."hyperloglog_ertl"(merged.sketch), 0) as distinct_count
 * //   from (
 * //     select null::text as urn, "public"."hyperloglog_merge"(part.sketch) as sketch, ...
 * //     from (
 * //       select ... from (select ... from "public"."sketch_1d" ...) as part
 * //       union all select ... from (select ... from "public"."sketch_5m" ...) as part
 * //     ) as part
 * //   ) as merged ... order by distinct_count desc, ...
 * // ) as "values"
 */
export function distinctOver(scope: Scope, options: DistinctOverOptions): Finished<DistinctOver, 'values'> {
  const { measure, by, ...filter } = parseOptions(distinctOverOptions, options)
  const each = by === 'resource'
  const sketch = sql<Uint8Array | null>`merged.sketch`
  // One select for each table: the server decides for each whether parallel workers are worth it.
  const merged = sketchParts(scope, filter).map(
    (rows) => sql`
      select
        ${each ? sql`part.resource_id,` : sql``}
        ${hllUnion(scope, sql.ref(`part.${sketchColumns[measure]}`))} as sketch,
        sum(part.count_total) as count_total,
        sum(part.count_error) as count_error
      from ${rows} as part
      ${each ? sql`group by part.resource_id` : sql``}`,
  )
  const count = sql<number>`counted.distinct_count`
  // The offset makes the server compute each count once, not at every use of its name.
  const rows = sql<DistinctOver>`(
    select
      counted.urn,
      counted.distinct_count,
      ${standardErrorOf(scope, sql`counted.sketch`, count)} as standard_error,
      counted.count_total,
      counted.count_error
    from (
      select merged.*, ${distinctCountOf(scope, sketch)} as distinct_count
      from (
        select
          ${each ? sql`resource.urn` : sql`null::text`} as urn,
          ${hllUnion(scope, sql.ref('part.sketch'))} as sketch,
          coalesce(sum(part.count_total), 0::numeric)::float8 as count_total,
          coalesce(sum(part.count_error), 0::numeric)::float8 as count_error
        from (${sql.join(merged, sql` union all `)}) as part
        ${each ? sql`${reportedBy(scope, 'part')} group by resource.urn` : sql``}
      ) as merged
      offset 0
    ) as counted
    order by distinct_count desc, ${byBytes('counted.urn')}
  )`
  return finished(scope, rows, 'values')
}
