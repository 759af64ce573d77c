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
  /** How many items are asked for. Default: 10. */
  limit?: number
}

/** One of the values that came most often. */
export interface HeavyHitterOver extends RankingRow {
  /** The value, or its hash: see `dimensionItem`. */
  item: string
  /** `min_count`. */
  score: number
  /** It came at least so often. */
  min_count: number
  /** It came at most so often. */
  max_count: number
  /** `min_count` by all values that came, 0..1. */
  share: number
  /** Whether it is among the `limit` most frequent whatever the true counts are. */
  certain: boolean
  /**
   * Whether the rows name all of the `limit` most frequent; false where others may be among them.
   */
  complete: boolean
}

const heavyHittersOptions = z.strictObject({ ...sketchFilter, limit: z.int().min(1).max(256).default(10) })

/**
 * The values of a dimension that came most often: the heaviest clients, the busiest endpoints. A
 * ranking.
 *
 * | | |
 * |---|---|
 * | counts | between `min_count` and `max_count`; the same where there are at most 256 different values in all of the range |
 * | rows | all with a counter that may be among the `limit` most frequent, so there can be more than `limit`; `certain` where one is, whatever the true counts are. Where `complete` is false one without a counter may be, too: ask for fewer |
 * | missed | no value with more than 1 / 256 of all |
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
