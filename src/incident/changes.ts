import { sql, type RawBuilder } from 'kysely'
import { callsBetween } from '../calls/callsBetween.ts'
import { bucketWindows } from '../database/comparedWindows.ts'
import { secondsOf, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { patternCounts } from '../logs/patternCounts.ts'
import { certainty, chance, standardErrors } from './certainty.ts'
import { beginsIn } from './oddCalls.ts'

export interface ComparedWindows {
  range: TimeRange
  baseline: TimeRange
}

/** The time from the first to the last of both windows. */
const over = ({ range, baseline }: ComparedWindows): TimeRange => ({
  from: range.from < baseline.from ? range.from : baseline.from,
  to: range.to > baseline.to ? range.to : baseline.to,
})

/**
 * The common table expressions that count what each resource was asked to do in both windows. What
 * follows joins them fully, and filters later: the planner expects few, and would compare each with
 * each.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `counted_call` | caller, callee and bucket | `src`, `dst`, `bucket`, `is_now`, `calls` |
 * | `asked_bucket` | callee and bucket | `resource_id`, `bucket`, `is_now`, `calls` |
 * | `asked` | callee | `resource_id`, `calls`, `calls_before`, `buckets_before` |
 */
export function askedOf(scope: Scope, windows: ComparedWindows): RawBuilder<unknown> {
  const { range, baseline } = bucketWindows(windows)
  const counted = callsBetween(scope, { range: over({ range, baseline }) })
    .where(sql<boolean>`(${beginsIn(range)} or ${beginsIn(baseline)})`)
    .where(sql<boolean>`call.src_resource_id <> call.dst_resource_id`)
    .select(['call.src_resource_id as src', 'call.dst_resource_id as dst', 'call.bucket'])
    .select([sql<boolean>`${beginsIn(range)}`.as('is_now'), sql<number>`call.call_count::float8`.as('calls')])
  return sql`counted_call as materialized ${counted}, asked_bucket as (
      select dst as resource_id, bucket, is_now, sum(calls) as calls from counted_call group by dst, bucket, is_now
    ), asked as materialized (
      select
        resource_id,
        coalesce(sum(calls) filter (where is_now), 0::float8) as calls,
        coalesce(sum(calls) filter (where not is_now), 0::float8) as calls_before,
        count(*) filter (where not is_now and calls > 0::float8) as buckets_before
      from asked_bucket
      group by resource_id
    )`
}

/**
 * The common table expressions, after those of `askedOf`, that compare what each resource logs.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `logged` | resource and pattern of either window | counts of both windows, and the squares of the baseline's, each over the calls of its bucket |
 * | `logging` | resource | `ratio`: requests of the range for each of the baseline; `requests` of the range; `measured`: whether both are calls |
 * | `pattern_change` | resource and pattern that changed by more than chance | `measure`, `expected`, `actual`, `z`, `requests`, `share`: of the requests that changed, 0..1, less what may be chance |
 */
export function patternChanges(scope: Scope, windows: ComparedWindows, mayBeChance: number = chance): RawBuilder<unknown> {
  const { range, baseline } = bucketWindows(windows)
  const rows = patternCounts(scope, { range: over({ range, baseline }) })
    .where(sql<boolean>`(${beginsIn(range)} or ${beginsIn(baseline)})`)
    .groupBy(['count.resource_id', 'count.fingerprint_id', 'count.bucket'])
    .select(['count.resource_id', 'count.fingerprint_id', 'count.bucket', sql<boolean>`${beginsIn(range)}`.as('is_now')])
    .select([sql<number>`sum(count.count_total)::float8`.as('total'), sql<number>`sum(count.count_error)::float8`.as('errors')])
  const perTime = sql`${secondsOf(range) / secondsOf(baseline)}::float8`
  return sql`logged as materialized (
      select
        row.resource_id, row.fingerprint_id,
        coalesce(sum(row.total) filter (where row.is_now), 0::float8) as now,
        coalesce(sum(row.total) filter (where not row.is_now), 0::float8) as before,
        coalesce(sum(row.errors) filter (where row.is_now), 0::float8) as errors_now,
        coalesce(sum(row.errors) filter (where not row.is_now), 0::float8) as errors_before,
        sum(row.total * row.total / nullif(bucket.calls, 0::float8)) filter (where not row.is_now) as squares,
        sum(row.errors * row.errors / nullif(bucket.calls, 0::float8)) filter (where not row.is_now) as error_squares
      from ${rows} as row
      full join asked_bucket as bucket on bucket.resource_id = row.resource_id and bucket.bucket = row.bucket
      group by row.resource_id, row.fingerprint_id
      having pg_catalog.count(row.resource_id) > 0::int8
    ), logging as materialized (
      select
        said.*,
        coalesce(asked.calls > 0::float8 and asked.calls_before > 0::float8, false) as measured,
        asked.calls, asked.calls_before, asked.buckets_before
      from (
        select
          resource_id,
          sum(now) filter (where errors_now + errors_before = 0::float8) as said,
          sum(before) filter (where errors_now + errors_before = 0::float8) as said_before,
          max(now) as most
        from logged
        group by resource_id
      ) as said
      full join asked on asked.resource_id = said.resource_id
    ), compared_pattern as materialized (
      -- An error that is logged more often, or anything else that is logged less often.
      select
        logged.resource_id, logged.fingerprint_id,
        case when fails.fails then 'count_error' else 'count_total' end as measure,
        case when fails.fails then logged.errors_now else logged.now end as actual,
        case when fails.fails then logged.errors_before else logged.before end as before,
        case when fails.fails then logged.error_squares else logged.squares end as squares,
        fails.fails, logging.measured, logging.calls, logging.calls_before, logging.buckets_before, logging.most,
        case
          when logging.measured then logging.calls / logging.calls_before
          -- Without calls, what else the resource logs stands for its traffic, but for errors.
          when fails.fails then coalesce(logging.said / nullif(logging.said_before, 0::float8), ${perTime})
          else coalesce((logging.said - logged.now) / nullif(logging.said_before - logged.before, 0::float8), ${perTime})
        end as ratio
      from logged
      full join logging on logging.resource_id = logged.resource_id
      cross join lateral (select logged.errors_now + logged.errors_before > 0::float8 as fails) as fails
    ), pattern_change as materialized (
      select
        resource_id, fingerprint_id, measure, expected, actual, z, requests,
        least(1::float8, abs(actual - expected) / nullif(requests, 0::float8)) * ${certainty(sql`z`, mayBeChance)} as share
      from (
        select
          compared.*, compared.before * compared.ratio as expected,
          case when measured then calls else greatest(most, compared.before * compared.ratio) end as requests,
          ${standardErrors({
            actual: sql`compared.actual`,
            expected: sql`compared.before * compared.ratio`,
            ratio: sql`compared.ratio`,
            dispersion: dispersion({
              measured: sql`compared.measured`,
              squares: sql`compared.squares`,
              before: sql`compared.before`,
              asked: sql`compared.calls_before`,
              buckets: sql`compared.buckets_before`,
            }),
          })} as z
        from compared_pattern as compared
      ) as judged
      where z * z > ${sql.lit(mayBeChance * mayBeChance)}::float8 and fails = (actual > expected)
    )`
}

/**
 * The common table expressions, after those of `askedOf`, that compare how many calls each resource
 * makes for one that comes in.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `made_call`, `compared_shape` | caller and callee | calls of both windows, and the requests of the caller |
 * | `shape_change` | caller and callee whose calls changed by more than chance | `src`, `dst`, `expected`, `actual`, `z`, `requests`, `share`: as in `pattern_change` |
 */
export function shapeChanges(mayBeChance: number = chance): RawBuilder<unknown> {
  const z = (dispersion?: RawBuilder<unknown>) =>
    standardErrors({
      actual: sql`compared.actual`,
      expected: sql`compared.before * compared.ratio`,
      ratio: sql`compared.ratio`,
      dispersion,
    })
  return sql`made_call as (
      select
        src, dst,
        coalesce(sum(calls) filter (where is_now), 0::float8) as actual,
        coalesce(sum(calls) filter (where not is_now), 0::float8) as before
      from counted_call
      group by src, dst
    ), compared_shape as materialized (
      select made.*, asked.calls, asked.calls_before, asked.buckets_before, asked.calls / nullif(asked.calls_before, 0::float8) as ratio
      from made_call as made
      full join asked on asked.resource_id = made.src
    ), candidate_shape as materialized (
      -- A dispersion only takes off, so it is looked for where there is something to take off.
      select compared.* from compared_shape as compared
      where compared.calls > 0::float8 and compared.src is not null and (${z()}) ^ 2::float8 > ${sql.lit(mayBeChance * mayBeChance)}::float8
    ), shape_squares as materialized (
      select call.src, call.dst, sum(call.calls * call.calls / nullif(bucket.calls, 0::float8)) as squares
      from (
        select * from counted_call where not is_now and ((src, dst) in (select src, dst from candidate_shape)) is true
      ) as call
      full join (
        select * from asked_bucket where (resource_id in (select src from candidate_shape)) is true
      ) as bucket on bucket.resource_id = call.src and bucket.bucket = call.bucket
      group by call.src, call.dst
      having pg_catalog.count(call.src) > 0::int8
    ), shape_change as materialized (
      select
        src, dst, expected, actual, z, calls as requests, least(1::float8, abs(actual - expected) / calls) * ${certainty(sql`z`, mayBeChance)} as share
      from (
        select
          compared.*, compared.before * compared.ratio as expected,
          ${z(
            dispersion({
              measured: sql`true`,
              squares: sql`found.squares`,
              before: sql`compared.before`,
              asked: sql`compared.calls_before`,
              buckets: sql`compared.buckets_before`,
            }),
          )} as z
        from candidate_shape as compared
        left join shape_squares as found on found.src = compared.src and found.dst = compared.dst
      ) as judged
      where z * z > ${sql.lit(mayBeChance * mayBeChance)}::float8
    )`
}

/**
 * How much more the baseline's buckets vary than by chance, for the calls of each: 1 or more. A few
 * buckets say little, so it is drawn towards 1, as if four more varied by chance alone.
 */
const dispersion = ({
  measured,
  squares,
  before,
  asked,
  buckets,
}: Record<'measured' | 'squares' | 'before' | 'asked' | 'buckets', RawBuilder<unknown>>) => sql`greatest(
            1::float8,
            case when ${measured} and ${buckets} > 1::int8 and ${before} > 0::float8
              then (4::float8 + (${squares} - ${before} * ${before} / ${asked}) * ${asked} / ${before}) / (${buckets} + 3::int8)::float8
            end
          )`
