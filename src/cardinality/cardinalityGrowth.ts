import { sql } from 'kysely'
import { z } from 'zod'
import { bucketsBeginningIn, windowBucket } from '../database/buckets.ts'
import { finished, type Finished } from '../database/finished.ts'
import { milliseconds, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { RankingRow } from '../ranking/rankingFrame.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'
import { distinctCountOf, standardErrorOf } from './distinctEstimate.ts'
import { dimensionName, reportedBy, sketchesOver } from './sketchRows.ts'

export interface CardinalityGrowthOptions {
  /** One dimension; every dimension if it is not given. */
  dimension?: string
  /** The URN of the reporting resource; every resource if it is not given. */
  resource?: string
  range: TimeRange
  /** The time to compare with. It must have as many five-minute buckets as the range. */
  baseline: TimeRange
}

/** How many distinct values one dimension of one resource has, and had before. */
export interface CardinalityGrowth extends RankingRow {
  /** `<dimension> of <urn>`. */
  item: string
  /** The number of distinct values minus that of the baseline. */
  score: number
  dimension: string
  /** URN of the resource that reported them. */
  urn: string
  distinct_count: number
  baseline_distinct_count: number
  /** `distinct_count` divided by `baseline_distinct_count`; null if the baseline has no values. */
  growth: number | null
  /** The standard error of `score`. */
  standard_error: number
  /** Whether the standard error is more than half of the change: the change then says nothing. */
  noise: boolean
}

/** How many five-minute buckets begin in a range. */
function windowsIn(range: TimeRange): number {
  const { from, to } = bucketsBeginningIn(windowBucket, range)
  return (to.getTime() - from.getTime()) / milliseconds(windowBucket)
}

const cardinalityGrowthOptions = z
  .strictObject({ dimension: dimensionName.optional(), resource: urnText.optional(), range: timeRange, baseline: timeRange })
  .superRefine(({ range, baseline }, context) => {
    const [windows, before] = [windowsIn(range), windowsIn(baseline)]
    if (windows !== before)
      context.addIssue({
        code: 'custom',
        path: ['baseline'],
        message: `must have as many five-minute buckets as range, ${windows}, got ${before}`,
      })
  })

/**
 * Which dimension grows, and which resource sends it: the number of distinct values in a range
 * compared with a baseline. A ranking, the greatest growth first.
 *
 * | | |
 * |---|---|
 * | rows | each dimension of each resource that had values in either time |
 * | lengths | both times must have the same number of five-minute buckets: a longer time has more distinct values, and no factor corrects for that |
 * | error | that of the difference of two estimates; 0 if both are exact (up to 160 values) |
 * | order | `score` descending, then `item` by its bytes |
 *
 * @throws InvalidInputError if the dimension, the URN or a range is invalid, or the two ranges
 * differ in length; names the field.
 * @example
 * const growing = cardinalityGrowth(scope, { range: last('1 day'), baseline: { from: twoDaysAgo, to: yesterday } })
 * await growing.where('noise', '=', false).limit(5).execute()
 *
 * // select "growth".* from (
 * //   with part as (...), counted as (select part.resource_id, part.dimension,
 * //     "public"."hyperloglog_merge"(part.latest) as latest, ... group by part.resource_id,
 * //     part.dimension), estimated as (...)
 * //   select ... from estimated order by "score" desc, ...
 * // ) as "growth" where "noise" = false limit 5
 */
export function cardinalityGrowth(scope: Scope, options: CardinalityGrowthOptions): Finished<CardinalityGrowth, 'growth'> {
  const { range, baseline, ...filter } = parseOptions(cardinalityGrowthOptions, options)
  const [latest, earlier] = [sql<Uint8Array | null>`counted.latest`, sql<Uint8Array | null>`counted.earlier`]
  const count = sql<number>`estimated.distinct_count`
  const before = sql<number>`estimated.baseline_distinct_count`
  const error = sql`sqrt(${standardErrorOf(scope, sql`estimated.latest`, count)} ^ 2::float8 + ${standardErrorOf(scope, sql`estimated.earlier`, before)} ^ 2::float8)`
  const rows = sql<CardinalityGrowth>`(
    with
      part as (
        select part.resource_id, part.dimension, part.distinct_sketch as latest, null::bytea as earlier from ${sketchesOver(scope, { ...filter, range })} as part
        union all
        select part.resource_id, part.dimension, null::bytea, part.distinct_sketch from ${sketchesOver(scope, { ...filter, range: baseline })} as part
      ),
      counted as (
        select part.resource_id, part.dimension,
          ${hllUnion(scope, sql.ref('part.latest'))} as latest,
          ${hllUnion(scope, sql.ref('part.earlier'))} as earlier
        from part
        group by part.resource_id, part.dimension
      ),
      estimated as (
        select
          resource.urn,
          counted.*,
          ${distinctCountOf(scope, latest)} as distinct_count,
          ${distinctCountOf(scope, earlier)} as baseline_distinct_count
        from counted
        ${reportedBy(scope, 'counted')}
      ),
      compared as (
        select
          estimated.dimension || ' of ' || estimated.urn as item,
          ${count} - ${before} as score,
          estimated.dimension,
          estimated.urn,
          ${count},
          ${before},
          ${count} / nullif(${before}, 0::float8) as growth,
          ${error} as standard_error
        from estimated
      )
    select compared.*, standard_error > abs(score) / 2::float8 as noise
    from compared
    order by score desc, ${byBytes('item')}
  )`
  return finished(scope, rows, 'growth')
}
