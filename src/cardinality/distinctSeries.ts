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
import { sketchFilter, sketchRows, type SketchFilter } from './sketchRows.ts'

export interface DistinctSeriesOptions extends SketchFilter {
  /**
   * `'distinct'`: how many different values came; `'distinct_error'`: how many of them came with an
   * error. `'count_total'`, `'count_error'`: how often values came. Default: `'distinct'`.
   */
  measure?: 'distinct' | 'distinct_error' | 'count_total' | 'count_error'
  /**
   * What a series stands for: the whole `'dimension'`, or one `'resource'`. Default:
   * `'dimension'`.
   */
  by?: 'dimension' | 'resource'
  /**
   * How long the buckets are: `'5 minutes'`, `'1 hour'`, `'1 day'`. Default: `'auto'`, by the
   * length of the range.
   */
  resolution?: Resolution
}

/** How many different values came in one bucket. */
export interface DistinctPoint extends SeriesRow {
  /** The resource that the series stands for; null by `'dimension'`. */
  resource_id: string | null
}

const distinctSeriesOptions = z.strictObject({
  ...sketchFilter,
  measure: z.enum(['distinct', 'distinct_error', 'count_total', 'count_error']).default('distinct'),
  by: z.enum(['dimension', 'resource']).default('dimension'),
  resolution: z.string().optional(),
})

/**
 * How many different values a dimension had over time: a series frame, in the order of series (by
 * their bytes) and time.
 *
 * | | |
 * |---|---|
 * | a series is named | by the dimension; by `'resource'`, by the resource's URN |
 * | `value` | exact up to 160 different values, then estimated with a standard error of at most 2.3 % |
 * | a longer bucket | merges its rows: who came twice counts once |
 * | a bucket in which nothing came | has no row |
 * | read from | up to 35 days `sketch_5m`, up to 420 `sketch_1h`, more `sketch_1d` (in UTC); a coarser one where rows of a finer one have been dropped |
 *
 * @throws InvalidInputError if the dimension, the URN, the measure, the range, `by` or the
 * resolution is invalid; names the field.
 * @example
 * const users = distinctSeries(scope, { dimension: 'user', range: last('6 hours') })
 * const odd = anomalies(scope, users)
 *
 * // select "point".* from (
 * //   select merged.series, merged.bucket, coalesce("public"."hyperloglog_ertl"(merged.sketch), 0) as
 * //     "value", merged.resource_id
 * //   from (
 * //     select 'user' as "series", "sketch"."bucket", "public"."hyperloglog_merge"(...) as "sketch", ...
 * //     from "public"."sketch_5m" as "sketch" inner join ... group by "sketch"."bucket"
 * //   ) as "merged" order by "series" collate "C", "bucket"
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
  const merged =
    by === 'resource'
      ? rows
          .groupBy(['resource.resource_id', 'resource.urn'])
          .select([...columns, 'resource.urn as series', sql<string | null>`resource.resource_id`.as('resource_id')])
      : rows.select([...columns, sql<string>`${filter.dimension}::text`.as('series'), sql<string | null>`null::int8`.as('resource_id')])
  const value: RawBuilder<number> =
    measure === 'distinct' || measure === 'distinct_error'
      ? distinctCountOf(scope, sql<Uint8Array | null>`merged.measured`)
      : sql<number>`merged.measured`
  const points = scope.db
    .selectFrom(merged.as('merged'))
    .select(['merged.series', 'merged.bucket', value.as('value'), 'merged.resource_id'])
    .orderBy(byBytes('merged.series'))
    .orderBy('merged.bucket')
  return finished(scope, sql<DistinctPoint>`${points}`, 'point')
}
