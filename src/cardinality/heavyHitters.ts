import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { RankingRow } from '../ranking/rankingFrame.ts'
import { parseOptions } from '../schema/parse.ts'
import { heavyHittersMerge } from '../sketch/heavyHitters/heavyHittersMerge.ts'
import { heavyHittersTop } from '../sketch/heavyHitters/heavyHittersTop.ts'
import { sketchesOver, sketchFilter, type SketchFilter } from './sketchRows.ts'

export interface HeavyHittersOverOptions extends SketchFilter {
  /** The number of items. Default: 10. */
  limit?: number
}

/** One of the most frequent values. */
export interface HeavyHitterOver extends RankingRow {
  /** The value, or its hash: see `dimensionItem`. */
  item: string
  /** Equal to `min_count`. */
  score: number
  /** The smallest possible count. */
  min_count: number
  /** The largest possible count. */
  max_count: number
  /** `min_count` divided by all values that came, 0..1. */
  share: number
  /** Whether it is among the `limit` most frequent for all possible true counts. */
  certain: boolean
  /**
   * Whether the rows have all of the `limit` most frequent values; false if others may be among
   * them.
   */
  complete: boolean
}

const heavyHittersOptions = z.strictObject({ ...sketchFilter, limit: z.int().min(1).max(256).default(10) })

/**
 * The most frequent values of a dimension: the heaviest clients, the busiest endpoints. A ranking.
 *
 * | | |
 * |---|---|
 * | counts | between `min_count` and `max_count`; the two are equal if the whole range has at most 256 distinct values |
 * | rows | all counted values that may be among the `limit` most frequent, so there can be more than `limit`. `certain` marks those that surely are. If `complete` is false, a value without a counter may be among them too: ask for fewer |
 * | never missing | a value with more than 1 / 256 of all |
 * | order | `score` descending, then `item` by its bytes |
 *
 * @throws InvalidInputError if the dimension, the URN, the range or the limit is invalid; names the
 * field.
 * @example
 * const clients = heavyHitters(scope, { dimension: 'client', resource: 'urn:k8s:svc:shop/frontend', range: last('1 hour') })
 * await clients.where('certain', '=', true).execute()
 *
 * // select "value".* from (
 * //   select top.item, top.min_count as score, ... from (
 * //     select "public"."heavy_hitters_merge"(part.heavy_hitters) as sketch from (...) as part
 * //   ) as merged cross join lateral "public"."heavy_hitters_top"(merged.sketch, 10) as top
 * //   order by top.min_count desc, top.item collate "C"
 * // ) as "value" where "certain" = true
 */
export function heavyHitters(scope: Scope, options: HeavyHittersOverOptions): Finished<HeavyHitterOver, 'value'> {
  const { limit, ...filter } = parseOptions(heavyHittersOptions, options)
  const rows = sql<HeavyHitterOver>`(
    select
      top.item,
      top.min_count as score,
      top.min_count,
      top.max_count,
      top.min_count / nullif((merged.sketch -> 'n'::text)::float8, 0::float8) as share,
      top.certain,
      top.complete
    from (select ${heavyHittersMerge(scope, sql.ref('part.heavy_hitters'))} as sketch from ${sketchesOver(scope, filter)} as part) as merged
    cross join lateral ${heavyHittersTop(scope, sql.ref('merged.sketch'), limit)} as top
    order by top.min_count desc, ${byBytes('top.item')}
  )`
  return finished(scope, rows, 'value')
}
