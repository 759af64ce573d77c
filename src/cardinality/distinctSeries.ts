import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import type { SeriesRow } from '../series/seriesFrame.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { distinctCountOf, sketchColumns } from './distinctEstimate.ts'
import { sketchLadder } from './sketchPolicy.ts'
import { reportedBy, sketchFilter, sketchRows, type SketchFilter } from './sketchRows.ts'

export interface DistinctSeriesOptions extends SketchFilter {
  /**
   * `'distinct'`: the number of distinct values. `'distinct_error'`: the number of distinct values
   * that came with an error. `'count_total'`, `'count_error'`: how often values came, with
   * repetitions. Default: `'distinct'`.
   */
  measure?: 'distinct' | 'distinct_error' | 'count_total' | 'count_error'
  /**
   * What a series stands for: the whole `'dimension'`, or one `'resource'`. Default: `'dimension'`.
   */
  by?: 'dimension' | 'resource'
  /**
   * The length of the buckets: `'5 minutes'`, `'1 hour'`, `'1 day'`. Default: `'auto'`, by the
   * length of the range.
   */
  resolution?: Resolution
}

/** How many distinct values one bucket has. */
export interface DistinctPoint extends SeriesRow {
  /** The resource that the series stands for; null with `by: 'dimension'`. */
  resource_id: string | null
}

const distinctSeriesOptions = z.strictObject({
  ...sketchFilter,
  measure: z.enum(['distinct', 'distinct_error', 'count_total', 'count_error']).default('distinct'),
  by: z.enum(['dimension', 'resource']).default('dimension'),
  resolution: z.string().optional(),
})

/**
 * The number of distinct values of a dimension over time: a series frame. Ordered by series (by
 * their bytes), then time.
 *
 * | | |
 * |---|---|
 * | name of a series | the dimension; with `'resource'`, the resource's URN |
 * | `value` | exact up to 160 distinct values, then estimated with a standard error of at most 2.3 % |
 * | a longer bucket | merges its rows: a value that came twice counts once |
 * | a bucket without values | has no row |
 * | read from | up to 35 days `sketch_5m`, up to 420 `sketch_1h`, beyond that `sketch_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 *
 * @throws InvalidInputError if the dimension, the URN, the measure, the range, `by` or the
 * resolution is invalid; names the field.
 * @example
 * const users = distinctSeries(scope, { dimension: 'user', range: last('6 hours') })
 * const odd = anomalies(scope, users)
 *
 * // select "point".* from (
 * //   select 'user' as series, merged.bucket, coalesce("public"."hyperloglog_ertl"(merged.measured), 0)
 * //     as value, null::int8 as resource_id
 * //   from (
 * //     select "sketch"."bucket", "public"."hyperloglog_merge"(...) as "measured"
 * //     from "public"."sketch_5m" as "sketch" where ... group by "sketch"."bucket"
 * //   ) as merged order by merged.bucket
 * // ) as "point"
 */
export function distinctSeries(scope: Scope, options: DistinctSeriesOptions): Finished<DistinctPoint, 'point'> {
  const { measure, by, resolution, ...filter } = parseOptions(distinctSeriesOptions, options)
  const reading = readingOf(scope, sketchLadder, filter.range, resolution)
  const bucket = seriesBucket(reading, sql.ref('sketch.bucket'))
  const rows = sketchRows(scope, { ...filter, range: reading.range }, rowsOf(scope, sketchLadder, reading)).groupBy(bucket)
  const measured: RawBuilder<unknown> =
    measure === 'distinct' || measure === 'distinct_error'
      ? hllUnion(scope, sql.ref(`sketch.${sketchColumns[measure]}`))
      : sql<number>`sum(${sql.ref(`sketch.${measure}`)})::float8`
  const columns = [bucket.as('bucket'), measured.as('measured')] as const
  const value: RawBuilder<number> =
    measure === 'distinct' || measure === 'distinct_error'
      ? distinctCountOf(scope, sql<Uint8Array | null>`merged.measured`)
      : sql<number>`merged.measured`
  const each = by === 'resource'
  const merged = each ? rows.groupBy('sketch.resource_id').select([...columns, 'sketch.resource_id']) : rows.select(columns)
  const points = sql<DistinctPoint>`(
    select
      ${each ? sql`resource.urn` : sql`${filter.dimension}::text`} as series,
      merged.bucket,
      ${value} as value,
      ${each ? sql`merged.resource_id` : sql`null::int8`} as resource_id
    from ${merged} as merged
    ${each ? reportedBy(scope, 'merged') : sql``}
    order by ${each ? sql`${byBytes('resource.urn')}, ` : sql``}merged.bucket
  )`
  return finished(scope, points, 'point')
}
