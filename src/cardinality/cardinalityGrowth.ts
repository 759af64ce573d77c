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
  /** One dimension; every one when left out. */
  dimension?: string
  /** The URN of who reported; every resource when left out. */
  resource?: string
  range: TimeRange
  /** The time to compare with: of as many five minutes as the range. */
  baseline: TimeRange
}

/** How many different values one dimension of one resource had, and had before. */
export interface CardinalityGrowth extends RankingRow {
  /** `<dimension> of <urn>`. */
  item: string
  /** How many more different values came. */
  score: number
  dimension: string
  /** URN of who reported them. */
  urn: string
  distinct_count: number
  baseline_distinct_count: number
  /** `distinct_count` by `baseline_distinct_count`; null where nothing came before. */
  growth: number | null
  /** Of `score`. */
  standard_error: number
  /** Whether the standard error is more than half of the change: it says nothing then. */
  noise: boolean
}

/** How many five minutes begin in a range. */
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
        message: `must hold the beginning of as many five minutes as range, ${windows}, and holds ${before}`,
      })
  })

/**
 * Which dimension is exploding, and who sends it: how many different values came in a range and in
 * a baseline. A ranking, the greatest growth first.
 *
 * | | |
 * |---|---|
 * | rows | each dimension of each resource that had values in either time |
 * | lengths | the two times must be of as many five minutes: more time has more values, by no factor that one could divide by |
 * | error | of the difference of two estimates; 0 where both are exact (up to 160 values) |
 * | order | `score` descending, then `item` by its bytes |
 *
 * @throws InvalidInputError if the dimension, the URN or one of the ranges is invalid, or the two
 * are not as long; names the field.
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
