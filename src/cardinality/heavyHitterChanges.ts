import { sql } from 'kysely'
import { z } from 'zod'
import { bucketsBeginningIn, windowBucket } from '../database/buckets.ts'
import { finished, type Finished } from '../database/finished.ts'
import { secondsOf, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { RankingRow } from '../ranking/rankingFrame.ts'
import { parseOptions } from '../schema/parse.ts'
import { heavyHittersMerge } from '../sketch/heavyHitters/heavyHittersMerge.ts'
import { sketchesOver, sketchFilter, type SketchFilter } from './sketchRows.ts'

export interface HeavyHitterChangesOptions extends SketchFilter {
  /** The time to compare with. */
  baseline: TimeRange
}

/** A value that came more or less often than before. Rates are per second. */
export interface HeavyHitterChange extends RankingRow {
  /** The value, or its hash: see `dimensionItem`. */
  item: string
  /** The smallest possible change of its rate; 0 if it may not have changed. */
  score: number
  /** The bounds of the rate in the range. */
  min_rate: number
  max_rate: number
  /** The bounds of the rate in the baseline. */
  baseline_min_rate: number
  baseline_max_rate: number
  /** The bounds of the change; negative if it came less often. */
  min_change: number
  max_change: number
  /** Whether it certainly rose or fell: the change is not 0 for any possible true counts. */
  certain: boolean
}

/** Rates are over the five-minute buckets that begin in a range, so there must be at least one. */
const countedRange = timeRange
  .transform((range) => bucketsBeginningIn(windowBucket, range))
  .refine(({ from, to }) => from < to, 'must contain the beginning of a five-minute bucket')

const heavyHitterChangesOptions = z.strictObject({ ...sketchFilter, range: countedRange, baseline: countedRange })

/**
 * Which values of a dimension came more or less often than in a baseline. A ranking, the most
 * certain changes first.
 *
 * | | |
 * |---|---|
 * | a change | of the rate per second, over the five-minute buckets that begin in a time; the two times may differ in length |
 * | `certain` | the intervals of the two rates do not touch: no counting error explains the change. Chance may: a client that came twice and then three times has changed for certain |
 * | rows | each value that one of the two sketches counts; at most 512 |
 * | order | `score` descending, then `max_change` descending, then `item` by its bytes |
 *
 * @throws InvalidInputError if the dimension, the URN or a range is invalid, or a range has no
 * beginning of a five-minute bucket; names the field.
 * @example
 * const moved = heavyHitterChanges(scope, { dimension: 'client', range: last('1 hour'), baseline: { from: yesterday, to: anHourAgo } })
 * await moved.where('certain', '=', true).limit(5).execute()
 *
 * // select "value".* from (
 * //   with latest as (select "public"."heavy_hitters_merge"(part.heavy_hitters) as sketch from ...),
 * //     earlier as (...), item as (select jsonb_object_keys(sketch -> 'counters') ... union ...),
 * //     rate as (...)
 * //   select ... from rate order by ...
 * // ) as "value" where "certain" = true limit 5
 */
export function heavyHitterChanges(scope: Scope, options: HeavyHitterChangesOptions): Finished<HeavyHitterChange, 'value'> {
  const { baseline, ...filter } = parseOptions(heavyHitterChangesOptions, options)
  const merged = (range: TimeRange) =>
    sql`select ${heavyHittersMerge(scope, sql.ref('part.heavy_hitters'))} as sketch from ${sketchesOver(scope, { ...filter, range })} as part`
  const rate = (sketch: string, range: TimeRange, offset = sql``) =>
    sql`(coalesce((${sql.ref(sketch)} -> 'counters'::text -> item.item)::float8, 0::float8)${offset}) / ${secondsOf(range)}::float8`
  const offset = (sketch: string) => sql` + coalesce((${sql.ref(sketch)} -> 'offset'::text)::float8, 0::float8)`
  const rows = sql<HeavyHitterChange>`(
    with
      latest as (${merged(filter.range)}),
      earlier as (${merged(baseline)}),
      item as (
        select pg_catalog.jsonb_object_keys(latest.sketch -> 'counters'::text) as item from latest
        union
        select pg_catalog.jsonb_object_keys(earlier.sketch -> 'counters'::text) from earlier
      ),
      rate as (
        select
          item.item,
          ${rate('latest.sketch', filter.range)} as min_rate,
          ${rate('latest.sketch', filter.range, offset('latest.sketch'))} as max_rate,
          ${rate('earlier.sketch', baseline)} as baseline_min_rate,
          ${rate('earlier.sketch', baseline, offset('earlier.sketch'))} as baseline_max_rate
        from item
        cross join latest
        cross join earlier
      ),
      change as (
        select rate.*, min_rate - baseline_max_rate as min_change, max_rate - baseline_min_rate as max_change from rate
      )
    select
      item,
      greatest(min_change, -max_change, 0::float8) as score,
      min_rate,
      max_rate,
      baseline_min_rate,
      baseline_max_rate,
      min_change,
      max_change,
      min_change > 0::float8 or max_change < 0::float8 as certain
    from change
    order by score desc, max_change desc, ${byBytes('item')}
  )`
  return finished(scope, rows, 'value')
}
