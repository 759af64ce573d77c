import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { meanOfTenths, quantiles, tenths } from './oddCalls.ts'

/**
 * The common table expressions that account for trouble, from the results of `oddCalls`,
 * `reachedFrom`, `departures` and `silentResources`.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `saturated_resource` | resource that has an odd metric of CPU or saturation | `resource_id` |
 * | `starved_resource` | resource that has an odd metric of CPU | `resource_id` |
 * | `incoming_odd_call` | odd call between two resources that were reached | `resource_id` (the callee), `of_caller` (the caller's own loss), those of `odd_call` |
 * | `called_resource` | resource that others called in both windows | `resource_id` |
 * | `observed_loss` | resource and kind of trouble | `lost`: as seen by its callers, otherwise by its own metrics; `certain` |
 * | `underlying_resource` | resource with a loss, and resource that it depends on without measured calls | `src`, `dst` |
 * | `explained_loss` | resource and kind of trouble | `lost`: by what it depends on |
 * | `own_loss` | resource and kind of trouble | `lost`, `own`: what nothing explains; `certain`: the share that is not chance |
 * | `host_loss` | resource with a loss of its own, and saturated resource that it runs on, or silent one that it called | `src`, `dst`, `trouble`, `own`, `certain` |
 * | `accounted_loss` | resource and kind of trouble | `lost`, `own`: the host's, if a host lost it; both less what may be chance |
 * | `noticeable_loss` | kind of trouble | `least_lost`: from here on a loss counts in full |
 * | `share_of_loss` | resource and kind of trouble | `share`: of the most that was lost, 0..1 |
 * | `scored_trouble` | resource and kind of trouble | `likely`, 0..1 |
 *
 * A kind of trouble is `latency` (a loss is milliseconds waited) or `errors` (a loss is requests
 * failed), both over the whole range. Losses add up: the additional time that callers wait for a
 * resource is its own loss plus its dependencies' losses. Its own part is therefore a difference.
 * One scale compares the two kinds, at the service in question: a tenth of the time of its answers
 * is worth as much as a twentieth of its requests failing.
 */
export function accounts(scope: Scope, { trouble }: { trouble: 'latency' | 'errors' | undefined }): RawBuilder<unknown> {
  // Trouble that is known counts in full, however small it is.
  const least = trouble === undefined ? sql`1` : sql`case trouble when ${trouble}::text then 0 else 1 end`
  return sql`saturated_resource as (
      select distinct resource_id from odd_metric where kind in ('cpu', 'saturation')
    ), starved_resource as (
      select distinct resource_id from odd_metric where kind = 'cpu'
    ), incoming_odd_call as (
      select
        callee.resource_id, odd_call.*,
        odd_call.src in (select resource_id from starved_resource)
          and odd_call.dst not in (select resource_id from starved_resource) as of_caller
      from odd_call
      join reached_resource as callee on callee.resource_id = odd_call.dst
      left join reached_resource as caller on caller.resource_id = odd_call.src
      where callee.depth = 0 or caller.resource_id is not null
    ), called_resource as (
      select distinct dst as resource_id from compared_call where calls > 0::float8 and calls_before > 0::float8 and src <> dst
    ), observed_loss as (
      select resource_id, trouble, sum(lost) as lost, coalesce(sum(lost * certain) / nullif(sum(lost), 0::float8), 1::float8) as certain
      from (
        select resource_id, trouble, lost * counts::float8 as lost, certain from incoming_odd_call where not of_caller
        union all
        -- Several metrics with one meaning are views of the same requests: they do not add up.
        select resource_id, kind, max(lost), 1::float8
        from odd_metric
        where kind in ('latency', 'errors') and resource_id not in (select resource_id from called_resource)
        group by resource_id, kind
      ) as observation
      where (resource_id, trouble) in (select resource_id, trouble from walked_trouble)
      group by resource_id, trouble
    ), underlying_resource (src, dst) as (
      -- Resources that depend on these lose as much as they do, because the calls between them are
      -- not measured.
      select src, dst from unmeasured_dependency where src in (select resource_id from observed_loss)
      union
      select above.src, dependency.dst
      from underlying_resource as above
      join unmeasured_dependency as dependency on dependency.src = above.dst
      where dependency.dst <> above.src
        and above.dst not in (select resource_id from called_resource)
        and above.dst not in (select resource_id from compared_metric where kind in ('latency', 'errors'))
    ), explained_loss as (
      -- All losses further down, even those too small to be odd: many calls together may be odd if
      -- no single one is.
      select resource_id, trouble, sum(lost) as lost
      from (
        select call.src as resource_id, of_call.trouble, of_call.lost
        from compared_call as call
        cross join lateral (
          select ${quantiles(scope, 'histograms', tenths)} as quantile, ${quantiles(scope, 'histograms_before', tenths)} as quantile_before offset 0
        ) as of_both
        cross join lateral (
          values
            ('latency', call.calls * (${meanOfTenths('quantile', 1)} - ${meanOfTenths('quantile_before', 1)})),
            ('errors', call.errors - call.calls * call.errors_before / call.calls_before)
        ) as of_call (trouble, lost)
        -- Not a join (is true): filtered before quantiles are computed.
        where (call.src in (select resource_id from observed_loss)) is true
          and call.src <> call.dst and call.calls > 0::float8 and call.calls_before > 0::float8
          and not (
            call.src in (select resource_id from starved_resource) and call.dst not in (select resource_id from starved_resource)
          )
        union all
        select underlying_resource.src, below.trouble, below.lost
        from underlying_resource
        join (
          select resource_id, trouble, lost from observed_loss where resource_id in (select resource_id from called_resource)
          union all
          select resource_id, kind, max((actual - expected) * samples)
          from compared_metric
          where kind in ('latency', 'errors') and resource_id not in (select resource_id from called_resource)
          group by resource_id, kind
        ) as below on below.resource_id = underlying_resource.dst
        where below.lost > 0::float8
      ) as further_down
      group by resource_id, trouble
    ), own_loss as (
      select
        observed.resource_id, observed.trouble, observed.lost, observed.certain,
        least(observed.lost, greatest(0, observed.lost - coalesce(explained.lost, 0))) as own
      from observed_loss as observed
      left join explained_loss as explained on explained.resource_id = observed.resource_id and explained.trouble = observed.trouble
    ), host_loss as (
      select dependency.src, dependency.dst, own_loss.trouble, own_loss.own, own_loss.certain
      from own_loss
      join (
        select src, dst from unmeasured_dependency where dst in (select resource_id from saturated_resource)
        union
        select src, dst from compared_call where dst in (select resource_id from silent_resource)
      ) as dependency on dependency.src = own_loss.resource_id
      where own_loss.own > 0::float8
        and dependency.dst not in (select resource_id from observed_loss)
        and dependency.src not in (select resource_id from saturated_resource)
    ), accounted_loss as (
      select
        resource_id, trouble, lost * certain as lost,
        case when (resource_id, trouble) in (select src, trouble from host_loss) then 0 else own * certain end as own
      from own_loss
      union all
      select dst, trouble, sum(own * certain), sum(own * certain) from host_loss group by dst, trouble
    ), noticeable_loss as (
      -- The scale that compares both kinds of trouble: a tenth of the time of the service's
      -- answers, a twentieth of its requests.
      select trouble, sum(least_lost) as least_lost
      from reached_resource as service
      cross join lateral (
        select of_call.trouble, of_call.least_lost
        from compared_call as call
        cross join lateral (select ${quantiles(scope, 'histograms_before', tenths)} as quantile offset 0) as of_baseline
        cross join lateral (
          values ('latency', 0.1::float8 * call.calls * ${meanOfTenths('quantile', 1)}), ('errors', 0.05::float8 * call.calls)
        ) as of_call (trouble, least_lost)
        where call.dst = service.resource_id and call.src <> call.dst and call.calls > 0::float8 and call.calls_before > 0::float8
        union all
        (
          select distinct on (kind) kind, case kind when 'latency' then 0.1::float8 * expected else 0.05 end * samples
          from compared_metric
          where compared_metric.resource_id = service.resource_id and kind in ('latency', 'errors')
            and compared_metric.resource_id not in (select resource_id from called_resource)
          order by kind, samples desc, metric collate "C"
        )
      ) as usual
      where service.depth = 0
      group by trouble
    ), share_of_loss as (
      select
        resource_id, trouble,
        own / noticeable / greatest(${least}, max(lost / noticeable) over (${trouble === undefined ? sql`` : sql`partition by trouble`})) as share
      from (
        select accounted.*, coalesce(nullif(noticeable.least_lost, 0::float8), max(accounted.lost) over (partition by trouble)) as noticeable
        from accounted_loss as accounted
        left join noticeable_loss as noticeable using (trouble)
        where accounted.lost > 0::float8
      ) as loss
    ), scored_trouble as (
      select
        resource_id, trouble,
        likely
      from (
        select
          loss.resource_id, loss.trouble,
          loss.share
            * case when loss.trouble = coalesce(${trouble ?? null}::text, loss.trouble) then 1 else 0.5 end::float8
            * (1::float8 - 0.5::float8 * coalesce(max(below.share), 0)) as likely
        from share_of_loss as loss
        left join followed_edge on followed_edge.src = loss.resource_id
        left join share_of_loss as below on below.resource_id = followed_edge.dst and below.trouble <> loss.trouble
        group by loss.resource_id, loss.trouble, loss.share
      ) as amended)`
}
