import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { distinctCountOf, standardErrorOf } from '../cardinality/distinctEstimate.ts'
import { dimensionName, reportedBy, sketchesOver } from '../cardinality/sketchRows.ts'
import { bucketWindows, comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import type { RankingRow } from '../ranking/rankingFrame.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { hllUnion } from '../sketch/hll/hllUnion.ts'

export interface AffectedOptions {
  /** The dimension that is counted. Default: `'user'`. */
  dimension?: string
  /** The URN of one service; every service if it is not given. */
  resource?: string
  /** The incident. The five-minute buckets in which it begins and ends belong to it. */
  range: TimeRange
  /**
   * A normal time to compare with. It must not overlap the range. A bucket that belongs to both
   * counts for the range.
   */
  baseline: TimeRange
}

/** How many users of one service, or of all services, met an error. */
export interface Affected extends RankingRow {
  /** URN of the service; `'all'` for all services together. */
  item: string
  /** Equal to `affected_count`. */
  score: number
  /** The number of users in the range. */
  distinct_count: number
  /** How many of them met an error. */
  affected_count: number
  /** `affected_count` is off by at most this in two of three cases; 0 if it is exact. */
  standard_error: number
  /** 95 % bounds of `affected_count`. */
  lower: number
  upper: number
  /** `affected_count` divided by `distinct_count`, 0..1; null without users. */
  share: number | null
  /**
   * The same share in the baseline, because some users always meet errors. Null if it had no users.
   */
  baseline_share: number | null
}

const affectedOptions = z
  .strictObject({ dimension: dimensionName.default('user'), resource: urnText.optional(), ...comparedWindows })
  .superRefine(refuseOverlap)

/**
 * How many users an incident affected: those who met an error, for each service and for all
 * together. Each row also has the number of users and the affected share in normal times. A
 * ranking.
 *
 * | | |
 * |---|---|
 * | met an error | the user's value came with a request that failed at that service |
 * | all together | a user who met errors at several services counts once |
 * | bounds | `lower` and `upper` are two standard errors away; up to 160 users the count is exact and both equal it |
 * | rows | each service that had users in the range, and `'all'` if any had |
 * | shares | are quotients of two estimates; one above 1 is given as 1 |
 * | order | `score` descending, then `item` by its bytes |
 *
 * @throws InvalidInputError if the dimension, the URN or a window is invalid, or the two windows
 * overlap; names the field.
 * @example
 * const touched = affected(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await touched.where('item', '=', 'all').execute()
 *
 * // select "affected".* from (
 * //   with part as (...), merged as (select part.resource_id,
 * //     "public"."hyperloglog_merge"(part.failed) as failed, ... from part group by grouping sets
 * //     ((part.resource_id), ())), counted as (...)
 * //   select ... from counted order by ...
 * // ) as "affected" where "item" = 'all'
 */
export function affected(scope: Scope, options: AffectedOptions): Finished<Affected, 'affected'> {
  const { range: asked, baseline: calm, ...filter } = parseOptions(affectedOptions, options)
  const { range, baseline } = bucketWindows({ range: asked, baseline: calm })
  const merged = (column: string) => hllUnion(scope, sql.ref(`part.${column}`))
  const count = (column: string) => distinctCountOf(scope, sql.ref(`merged.${column}`))
  const rows = sql<Affected>`(
    with
      part as (
        select part.resource_id, part.distinct_sketch as seen, part.error_sketch as failed, null::bytea as seen_before, null::bytea as failed_before
        from ${sketchesOver(scope, { ...filter, range })} as part
        union all
        select part.resource_id, null::bytea, null::bytea, part.distinct_sketch, part.error_sketch
        from ${sketchesOver(scope, { ...filter, range: baseline })} as part
      ),
      merged as (
        select
          part.resource_id,
          ${merged('seen')} as seen,
          ${merged('failed')} as failed,
          ${merged('seen_before')} as seen_before,
          ${merged('failed_before')} as failed_before
        from part
        group by grouping sets ((part.resource_id), ())
      ),
      counted as (
        select
          coalesce(resource.urn, 'all'::text) as item,
          merged.failed,
          ${count('seen')} as distinct_count,
          ${count('failed')} as affected_count,
          ${count('failed_before')} / nullif(${count('seen_before')}, 0::float8) as baseline_share
        from merged
        left ${reportedBy(scope, 'merged')}
        where merged.seen is not null
      ),
      bounded as (
        select counted.*, ${standardErrorOf(scope, sql`counted.failed`, sql<number>`counted.affected_count`)} as standard_error from counted
      )
    select
      item,
      affected_count as score,
      distinct_count,
      affected_count,
      standard_error,
      greatest(affected_count - 1.96::float8 * standard_error, 0::float8) as lower,
      affected_count + 1.96::float8 * standard_error as upper,
      ${atMostOne(sql`affected_count / nullif(distinct_count, 0::float8)`)} as share,
      ${atMostOne(sql`baseline_share`)} as baseline_share
    from bounded
    order by score desc, ${byBytes('item')}
  )`
  return finished(scope, rows, 'affected')
}

/** Null stays null. */
const atMostOne = (ratio: RawBuilder<unknown>) => sql`case when ${ratio} > 1::float8 then 1::float8 else ${ratio} end`
