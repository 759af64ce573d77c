import { sql, type RawBuilder, type SelectQueryBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import type { SeriesFrame } from './seriesFrame.ts'

export interface JoinOptions {
  /**
   * Which points belong together: `'series'`, those of the same series and bucket; `'bucket'`, those of the same bucket, each series of the left frame with each
   * of the right. Default: `'series'`.
   */
  on?: 'series' | 'bucket'
  /** `'inner'`: only buckets that both frames have. `'full'`: those of either, null standing for what the other lacks. Default: `'inner'`. */
  how?: 'inner' | 'full'
}

/** Two series side by side. */
export interface JoinedRow {
  series: string
  bucket: Date
  left: number | null
  right: number | null
}

const joinOptions = z.strictObject({
  on: z.enum(['series', 'bucket']).default('series'),
  how: z.enum(['inner', 'full']).default('inner'),
})

/**
 * Two series frames side by side, in the order of series and time.
 *
 * Rows: `series`, `bucket`, and the values `left` and `right`. Buckets match when they begin at the same time: {@link resample} brings frames of different
 * buckets together.
 *
 * - `on: 'series'` (for frames whose series are named alike): a series of both, under its name. `how: 'full'` keeps those that only one frame has.
 * - `on: 'bucket'` (for frames whose series are named differently): each series of the left frame with each one of the right, named `<left> / <right>`. One series
 *   on the right is what all others are compared with; several make all pairs. `how: 'full'` keeps, in each pair, the buckets that only one of
 *   the two has; where one frame has no series at all there is no pair, and no row.
 *
 * A value that is null and, with `how: 'full'`, one that is not there look the same.
 *
 * @throws InvalidInputError naming the option that is none.
 * @example
 * const cpu = metricSeries(scope, { metric: 'system.cpu.utilization', measure: 'avg', range, by: 'resource' })
 * const memory = metricSeries(scope, { metric: 'system.memory.utilization', measure: 'avg', range, by: 'resource' })
 * await join(scope, cpu, memory).where('left', '>', 0.9).execute()
 *
 * // select "joined".* from (
 * //   select coalesce("left"."series", "right"."series") as "series", coalesce("left"."bucket", "right"."bucket") as "bucket",
 * //     "left"."value"::float8 as "left", "right"."value"::float8 as "right"
 * //   from (select ...) as "left" inner join (select ...) as "right" on "left"."series" = "right"."series" and "left"."bucket" = "right"."bucket"
 * //   order by "series", "bucket"
 * // ) as "joined"
 */
export function join(
  scope: Scope,
  left: SeriesFrame,
  right: SeriesFrame,
  options: JoinOptions = {},
): SelectQueryBuilder<{ joined: JoinedRow }, 'joined', JoinedRow> {
  const { on, how } = parse(joinOptions, options, 'options')
  const joined = (on === 'series' ? alike : pairs)(left, right, sql.raw(how))
  return scope.db.selectFrom(joined.as('joined')).selectAll('joined')
}

const alike = (left: SeriesFrame, right: SeriesFrame, how: RawBuilder<unknown>) => sql<JoinedRow>`(
  select
    coalesce("left"."series", "right"."series") as "series",
    coalesce("left"."bucket", "right"."bucket") as "bucket",
    "left"."value"::float8 as "left",
    "right"."value"::float8 as "right"
  from ${left} as "left"
  ${how} join ${right} as "right" on "left"."series" = "right"."series" and "left"."bucket" = "right"."bucket"
  order by "series", "bucket"
)`

/** Every point once for each series of the other side, so that a bucket that only one side has still knows its pair. */
const pairs = (left: SeriesFrame, right: SeriesFrame, how: RawBuilder<unknown>) => sql<JoinedRow>`(
  with "left" as ${left}, "right" as ${right}
  select
    coalesce("one"."series", "two"."partner") || ' / ' || coalesce("one"."partner", "two"."series") as "series",
    coalesce("one"."bucket", "two"."bucket") as "bucket",
    "one"."value"::float8 as "left",
    "two"."value"::float8 as "right"
  from (
    select "left"."series", "left"."bucket", "left"."value", "name"."series" as "partner"
    from "left" cross join (select distinct "series" from "right") as "name"
  ) as "one"
  ${how} join (
    select "right"."series", "right"."bucket", "right"."value", "name"."series" as "partner"
    from "right" cross join (select distinct "series" from "left") as "name"
  ) as "two" on "one"."series" = "two"."partner" and "one"."partner" = "two"."series" and "one"."bucket" = "two"."bucket"
  order by "series", "bucket"
)`
