import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { meanOfTenths, quantiles, tenths } from './oddCalls.ts'

/**
 * The common table expressions that account for trouble, of what `oddCalls`, `reachedFrom` and
 * `departures` found: `incoming`, the odd calls to who was reached, and `judged`, one row for each
 * resource and kind of trouble (`latency`, `errors`) with its `score`.
 *
 * Losses add: what callers waited longer for a resource's answers is what it lost itself, and what
 * it waited longer for those of others. So its own part is a subtraction (`own`), with the sums
 * taken over the whole range. The two kinds of trouble get one scale by the service where it hurts
 * (`noticed`): what a tenth of the time of its answers is worth, a twentieth of its requests
 * failing is worth, in the range.
 */
export function accounts(scope: Scope, { trouble }: { trouble: 'latency' | 'errors' | undefined }): RawBuilder<unknown> {
  // What is known to hurt is noticed, however little it is.
  const least = trouble === undefined ? sql`1` : sql`case trouble when ${trouble}::text then 0 else 1 end`
  return sql`saturated as (
      select distinct on (resource_id) * from departed where kind in ('cpu', 'saturation') order by resource_id, deviations desc, metric collate "C"
    ), starved as (
      select distinct resource_id from departed where kind = 'cpu'
    ), incoming as (
      select
        reached.resource_id, reached.depth, caller.depth as caller_depth, odd_call.*,
        odd_call.src in (select resource_id from starved) and odd_call.dst not in (select resource_id from starved) as of_caller
      from odd_call
      join reached on reached.resource_id = odd_call.dst
      left join reached as caller on caller.resource_id = odd_call.src
      where reached.depth = 0 or caller.resource_id is not null
    ), called as (
      select distinct dst as resource_id from compared where calls > 0::float8 and calls_before > 0::float8 and src <> dst
    ), told as (
      select resource_id, trouble, sum(lost) as lost
      from (
        select resource_id, trouble, lost * counts::float8 as lost from incoming where not of_caller
        union all
        -- Several metrics of one meaning are several views of the same requests: they do not add.
        select resource_id, kind, max(lost)
        from departed
        where kind in ('latency', 'errors') and resource_id not in (select resource_id from called)
        group by resource_id, kind
      ) as seen
      where (resource_id, trouble) in (select resource_id, trouble from walk)
      group by resource_id, trouble
    ), beneath (src, dst) as (
      -- What somebody in trouble depends on, straight or through resources that nobody measures: those lose as much as what they depend on, whatever that is.
      select src, dst from depends where src in (select resource_id from told)
      union
      select beneath.src, depends.dst
      from beneath
      join depends on depends.src = beneath.dst
      where depends.dst <> beneath.src
        and beneath.dst not in (select resource_id from called)
        and beneath.dst not in (select resource_id from watched where kind in ('latency', 'errors'))
    ), explained as (
      -- All that was lost further down, also where it was too little to be odd: that of many calls may be odd when none of them is.
      select resource_id, trouble, sum(lost) as lost
      from (
        select call.src as resource_id, of_call.trouble, of_call.lost
        from compared as call
        cross join lateral (
          select ${quantiles(scope, 'histograms', tenths)} as quantile, ${quantiles(scope, 'histograms_before', tenths)} as quantile_before offset 0
        ) as of_both
        cross join lateral (
          values
            ('latency', call.calls * (${meanOfTenths('quantile', 1)} - ${meanOfTenths('quantile_before', 1)})),
            ('errors', call.errors - call.calls * call.errors_before / call.calls_before)
        ) as of_call (trouble, lost)
        where call.src in (select resource_id from told) and call.src <> call.dst and call.calls > 0::float8 and call.calls_before > 0::float8
          and not (call.src in (select resource_id from starved) and call.dst not in (select resource_id from starved))
        union all
        select beneath.src, below.trouble, below.lost
        from beneath
        join (
          select resource_id, trouble, lost from told where resource_id in (select resource_id from called)
          union all
          select resource_id, kind, max((actual - expected) * samples)
          from watched
          where kind in ('latency', 'errors') and resource_id not in (select resource_id from called)
          group by resource_id, kind
        ) as below on below.resource_id = beneath.dst
        where below.lost > 0::float8
      ) as further_down
      group by resource_id, trouble
    ), own as (
      select told.resource_id, told.trouble, told.lost, least(told.lost, greatest(0, told.lost - coalesce(explained.lost, 0))) as own
      from told
      left join explained on explained.resource_id = told.resource_id and explained.trouble = told.trouble
    ), carried as (
      select depends.src, depends.dst, own.trouble, own.own
      from own
      join depends on depends.src = own.resource_id
      where own.own > 0::float8
        and depends.dst in (select resource_id from saturated)
        and depends.dst not in (select resource_id from told)
        and depends.src not in (select resource_id from saturated)
    ), accounted as (
      select
        resource_id, trouble, lost,
        case when exists (select from carried where carried.src = own.resource_id and carried.trouble = own.trouble) then 0 else own end as own
      from own
      union all
      select dst, trouble, sum(own), sum(own) from carried group by dst, trouble
    ), noticed as (
      -- The measure of both kinds of trouble, so that they can be compared: a tenth of what the service's answers take, a twentieth of its requests.
      select trouble, sum(least_lost) as least_lost
      from reached
      cross join lateral (
        select of_call.trouble, of_call.least_lost
        from compared as call
        cross join lateral (select ${quantiles(scope, 'histograms_before', tenths)} as quantile offset 0) as of_baseline
        cross join lateral (
          values ('latency', 0.1::float8 * call.calls * ${meanOfTenths('quantile', 1)}), ('errors', 0.05::float8 * call.calls)
        ) as of_call (trouble, least_lost)
        where call.dst = reached.resource_id and call.src <> call.dst and call.calls > 0::float8 and call.calls_before > 0::float8
        union all
        (
          select distinct on (kind) kind, case kind when 'latency' then 0.1::float8 * expected else 0.05 end * samples
          from watched
          where watched.resource_id = reached.resource_id and kind in ('latency', 'errors') and watched.resource_id not in (select resource_id from called)
          order by kind, samples desc, metric collate "C"
        )
      ) as usual
      where reached.depth = 0
      group by trouble
    ), shared as (
      select
        resource_id, trouble,
        own / noticeable / greatest(${least}, max(lost / noticeable) over (${trouble === undefined ? sql`` : sql`partition by trouble`})) as share
      from (
        select accounted.*, coalesce(nullif(noticed.least_lost, 0::float8), max(accounted.lost) over (partition by trouble)) as noticeable
        from accounted
        left join noticed using (trouble)
        where accounted.lost > 0::float8
      ) as noticeable
    ), judged as (
      select
        resource_id, trouble,
        round((case when resource_id in (select resource_id from saturated) then 1::float8 - (1::float8 - likely) ^ 2::float8 else likely end)::numeric, 9)::float8 as score
      from (
        select
          shared.resource_id, shared.trouble,
          shared.share
            * case when shared.trouble = coalesce(${trouble ?? null}::text, shared.trouble) then 1 else 0.5 end::float8
            * (1::float8 - 0.5::float8 * coalesce(max(below.share), 0)) as likely
        from shared
        left join step on step.src = shared.resource_id
        left join shared as below on below.resource_id = step.dst and below.trouble <> shared.trouble
        group by shared.resource_id, shared.trouble, shared.share
      ) as amended)`
}
