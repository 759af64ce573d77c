import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

export interface JoinOptions {
  /**
   * Which points belong together. `'series'`: points of the same series and bucket. `'bucket'`:
   * points of the same bucket, for each pair of a left and a right series. Default: `'series'`.
   */
  on?: 'series' | 'bucket'
  /**
   * `'inner'`: only buckets that both frames have. `'full'`: buckets of either frame, with null for
   * the missing side. Default: `'inner'`.
   */
  how?: 'inner' | 'full'
}

/** A bucket of two series side by side. */
export interface JoinedRow {
  /** The name of both series, or `<left> / <right>`. */
  series: string
  bucket: Date
  /** The left series' value, in its unit; null if it is null or missing. */
  left: number | null
  /** The right series' value, in its unit; null if it is null or missing. */
  right: number | null
}

const joinOptions = z.strictObject({
  on: z.enum(['series', 'bucket']).default('series'),
  how: z.enum(['inner', 'full']).default('inner'),
})

/**
 * Puts two series frames side by side. Ordered by series, then time.
 *
 * | `on` | use it when the frames' series have | a row is | `how: 'full'` also keeps |
 * |---|---|---|---|
 * | `'series'` | the same names | a bucket of a series that both frames have, under its name | series and buckets that only one frame has |
 * | `'bucket'` | different names | a bucket of a left series with a right series, named `<left> / <right>`. One series on the right is compared with all others; several make all pairs | in each pair, the buckets that only one side has. If one frame has no series there are no pairs and no rows |
 *
 * - Buckets match when they begin at the same time. {@link resample} brings frames with different
 *   buckets together.
 * - With `how: 'full'`, a value that is null and one that is missing look the same.
 * - If a frame breaks its rule and has two rows of a series for one bucket, the larger value
 *   counts.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * const cpu = metricSeries(scope, { metric: 'system.cpu.utilization', measure: 'avg', range, by: 'resource' })
 * const memory = metricSeries(scope, { metric: 'system.memory.utilization', measure: 'avg', range, by: 'resource' })
 * await join(scope, cpu, memory).where('left', '>', 0.9).execute()
 *
 * // select "joined".* from (
 * //   select point.series as series, point.bucket,
 * //     max(point.value) filter (where point.is_left) as left, max(point.value) filter (where not
 * //       point.is_left) as right
 * //   from (select point.series, point.bucket, point.value::float8 as value, true as is_left from
 * //     (...) as point
 * //     union all select point.series, point.bucket, point.value::float8, false from (...) as
 * //       point) as point
 * //   group by point.series, point.bucket having bool_or(point.is_left) and bool_or(not
 * //     point.is_left)
 * //   order by (point.series) collate "C", point.bucket
 * // ) as "joined"
 */
export function join(scope: Scope, left: SeriesFrame, right: SeriesFrame, options: JoinOptions = {}): Finished<JoinedRow, 'joined'> {
  const { on, how } = parseOptions(joinOptions, options)
  const { common, name, key, points } = on === 'series' ? alike(left, right) : pairs(left, right)
  // Grouped, not joined: the planner cannot estimate a frame's rows, and where it guesses few it
  // compares every bucket of a series with every other.
  const joined = sql<JoinedRow>`(
    ${common}
    select
      ${name} as series,
      point.bucket,
      max(point.value) filter (where point.is_left) as left,
      max(point.value) filter (where not point.is_left) as right
    from (${points}) as point
    group by ${key}, point.bucket
    ${how === 'inner' ? sql`having bool_or(point.is_left) and bool_or(not point.is_left)` : sql``}
    order by ${byBytes(name)}, point.bucket
  )`
  return finished(scope, joined, 'joined')
}

/** The points of both frames, by the name of the series. */
const alike = (left: SeriesFrame, right: SeriesFrame) => ({
  common: sql``,
  name: sql<string>`point.series`,
  key: sql`point.series`,
  points: sql`
    select point.series, point.bucket, point.value::float8 as value, true as is_left from ${left} as point
    union all
    select point.series, point.bucket, point.value::float8, false from ${right} as point`,
})

/**
 * Every point, once for each series of the other side: a bucket that only one side has then still
 * knows its pair.
 */
const pairs = (left: SeriesFrame, right: SeriesFrame) => ({
  common: sql`with left_points as ${left}, right_points as ${right}`,
  name: sql<string>`point.first || ' / ' || point.second`,
  key: sql`point.first, point.second`,
  points: sql`
    select point.series as first, other.series as second, point.bucket, point.value::float8 as value, true as is_left
    from left_points as point cross join (select distinct series from right_points) as other
    union all
    select other.series, point.series, point.bucket, point.value::float8, false
    from right_points as point cross join (select distinct series from left_points) as other`,
})
