import { sql, type RawBuilder } from 'kysely'
import { bounded, weightedMean } from '../database/sql/bounded.ts'
import { secondsOf, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { hasRowsSince } from '../metrics/seriesOf.ts'
import { certainty } from './certainty.ts'
import { ofTenant } from '../database/sql/ofTenant.ts'
import { spareStates, type MetricMeaning } from './metricMeanings.ts'
import { convertedUnit, unitFactor } from './metricUnits.ts'
import { beginsIn } from './oddCalls.ts'

export interface DepartureOptions {
  range: TimeRange
  baseline: TimeRange
  meanings: ReadonlyMap<string, MetricMeaning>
  /** The number of deviations that make a departure. */
  deviations: number
  /** This number of deviations may be chance. */
  standardErrors?: number
  /** The common table expression that has the ids of the resources to look at; all without it. */
  among?: string
}

/**
 * The common table expressions, after those of `askedOf`, that compare the metrics of resources.
 *
 * | name | one row per | columns |
 * |---|---|---|
 * | `known_metric` | resource, metric, kind and (for CPU and saturation) label set of either window | sums and quantiles of both, `buckets_before` |
 * | `measured_metric` | resource, metric, kind and (for CPU and saturation) label set that both windows know | `kind`, `expected` (the baseline's median), `high` (its 95th percentile), `actual` (the range's mean), `samples`, `unit` (see `metricUnits`) |
 * | `busier_resource` | resource whose requests can be counted: its calls, else the samples of its latency | `factor`: how many times as many there are, 1 or more; a handful is drawn towards 1 |
 * | `departed_metric` | one of those that left its normal range for the worse | `deviations`, `lost`, `share` (of the value that is new, less what may be chance), those of `measured_metric` |
 *
 * `kind` is `latency` (milliseconds), `errors` (0..1: 1 minus an availability, an error ratio, or
 * the share of a latency's samples whose labels name a failure), `cpu` or `saturation` (as
 * measured). A resource's label sets are combined, weighted by their samples. For CPU and
 * saturation each label set stands alone, and spare ones (idle, free) do not count.
 *
 * A departure is the distance between the mean of the range and the median of the baseline's
 * buckets, in deviations. A deviation is the distance from the baseline's median to its 95th
 * percentile, divided by 1.645, the same distance of a normal distribution. Only rises matter, so
 * the lower half is ignored. Quantiles tolerate a baseline with an incident in every twentieth
 * bucket; a standard deviation does not (Huber, "Robust Statistics", 1981). A deviation is at least
 * a twentieth of the value, a thirtieth of a core or of the whole, or, for errors, one request: a
 * constant metric must not become too sensitive. With fewer than five buckets of baseline there is
 * no judgement.
 *
 * CPU is used by requests: with three times as many, three times the CPU is expected. A service
 * with more traffic is no suspect for it.
 *
 * `lost` is the total cost: milliseconds waited or requests failed, assuming that the number of
 * samples is that of requests.
 */
export function departures(
  scope: Scope,
  { range, baseline, meanings, deviations, standardErrors, among }: DepartureOptions,
): RawBuilder<unknown> {
  const of = (...wanted: readonly MetricMeaning[]) => [...meanings].filter(([, means]) => wanted.includes(means))
  const [answers, resources] = [of('latency', 'availability', 'error_ratio'), of('cpu', 'saturation')]
  const failing = sql`(
    labels -> 'error.type'::text is not null or coalesce(labels ->> 'http.response.status_code'::text, labels ->> 'http.status_code'::text) like '5__'
  )`
  const state = sql.join(
    ['cpu.mode', 'system.memory.state', 'system.paging.state', 'system.filesystem.state', 'state', 'mode'].map(
      (label) => sql`labels ->> ${sql.lit(label)}::text`,
    ),
  )
  const begun = baseline.from < range.from ? baseline.from : range.from
  /** The points of these metrics of the tenant, with the meanings of the metrics. */
  const points = (metrics: readonly (readonly [string, MetricMeaning])[]) => {
    const [names, means] = [metrics.map(([metric]) => metric), metrics.map(([, meaning]) => meaning)]
    return sql`${scope.id('metric_1m')} as point
        join unnest(${names}::text[], ${means}::text[]) as meaning (metric, means) on meaning.metric = point.metric
        where ${ofTenant(scope, 'point')}
          and point.series_id = any(array(
            select known.series_id from ${scope.id('metric_series')} as known
            where known.tenant_id = ${scope.tenantId}::int8 and known.metric = any(${names}::text[])
              and ${hasRowsSince(begun)}
              ${among === undefined ? sql`` : sql`and known.resource_id = any(array(select resource_id from ${sql.id(among)}))`}
          ))
          and (${beginsIn(range)} or ${beginsIn(baseline)})`
  }
  return sql`known_metric as materialized (
      select
        resource_id, metric, kind, label_set,
        count(*) filter (where not is_now) as buckets_before,
        pg_catalog.percentile_cont(array[0.5, 0.95]::float8[]) within group (order by value) filter (where not is_now) as usual,
        sum(value * samples) filter (where is_now) as actual,
        sum(samples) filter (where is_now) as samples,
        sum(samples) filter (where not is_now) as samples_before,
        max(unit) as unit
      from (
        select
          point.resource_id, point.metric, meaning.means as kind, point.series_id as label_set, ${beginsIn(range)} as is_now,
          (${sql.raw(bounded('point.avg_val'))}) * ${unitFactor(sql`point.unit`)} as value, point.sample_count::float8 as samples,
          ${convertedUnit(sql`point.unit`)} as unit
        from ${points(resources)} and coalesce(${state}, '') <> all(${[...spareStates]}::text[])
        union all
        select answer.resource_id, answer.metric, said.kind, null, answer.is_now, said.value, answer.samples,
          case said.kind when 'errors' then '1' else ${convertedUnit(sql`answer.unit`)} end
        from (
          select
            point.resource_id, point.metric, meaning.means, point.bucket, ${beginsIn(range)} as is_now, max(point.unit) as unit,
            ${sql.raw(weightedMean('point.avg_val', 'point.sample_count'))}
              * ${unitFactor(sql`max(point.unit)`)} as value,
            coalesce((sum(point.sample_count) filter (where ${failing}))::float8, 0) / nullif(sum(point.sample_count)::float8, 0::float8) as failing,
            sum(point.sample_count)::float8 as samples
          from ${points(answers)}
          group by point.resource_id, point.metric, meaning.means, point.bucket
        ) as answer
        cross join lateral (
          values
            ('latency', case answer.means when 'latency' then answer.value end),
            (
              'errors',
              case answer.means
                when 'latency' then answer.failing
                when 'availability' then 1::float8 - answer.value
                when 'error_ratio' then answer.value
              end
            )
        ) as said (kind, value)
      ) as point
      where value between -1e100::float8 and 1e100::float8 and samples > 0::float8
      group by resource_id, metric, kind, label_set
  ), measured_metric as materialized (
    select
      resource_id, metric, kind, label_set, actual / nullif(samples, 0::float8) as actual, samples, samples_before, unit,
      usual[1] as expected, usual[2] as high
    from known_metric
    where samples > 0::float8 and buckets_before >= 5
  ), busier_resource as (
    select distinct on (resource_id)
      resource_id,
      -- As if there had been four more in each window: a handful says little.
      greatest(1::float8, (now + 4::float8) / (before * ${secondsOf(range) / secondsOf(baseline)}::float8 + 4::float8)) as factor
    from (
      select resource_id, 1 as source, calls as now, calls_before as before from asked
      union all
      select resource_id, 2, samples, samples_before from measured_metric where kind = 'latency'
    ) as requests
    where now > 0::float8 and before > 0::float8
    order by resource_id, source, now desc
  ), departed_metric as materialized (
    select
      *, (actual - expected) / deviation as deviations, (actual - expected) * samples as lost,
      coalesce(greatest(0::float8, 1::float8 - (greatest(0::float8, expected) + least_change) / nullif(greatest(0::float8, actual) + least_change, 0::float8)), 0::float8)
        * ${certainty(sql`((actual - expected) / deviation)`, standardErrors)} as share
    from (
      select
        *,
        case when kind in ('cpu', 'saturation') and unit in ('1', '{cpu}') then 1.0::float8 / 30::float8 else 0 end as least_change,
        greatest(
          (high - expected) / 1.645::float8,
          case kind when 'errors' then least(0.01, 1::float8 / samples) else 0.05::float8 * greatest(abs(expected), abs(actual)) end,
          case when kind in ('cpu', 'saturation') and unit in ('1', '{cpu}') then 1.0::float8 / 30::float8 else 0 end
        ) as deviation
      from (
        select
          metric.resource_id, metric.metric, metric.kind, metric.label_set, metric.actual, metric.samples, metric.unit,
          metric.expected * requests.factor as expected, metric.high * requests.factor as high
        from measured_metric as metric
        full join busier_resource as busier on busier.resource_id = metric.resource_id
        cross join lateral (select coalesce(case metric.kind when 'cpu' then busier.factor end, 1::float8) as factor) as requests
        where metric.resource_id is not null
      ) as corrected
    ) as deviating
    where actual - expected > ${deviations}::float8 * deviation
  )`
}
