import { sql, type Compilable, type RawBuilder } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { latestMetrics, metricSeries } from '../src/metrics/index.ts'
import { aggregateAcross, resample } from '../src/series/index.ts'
import { cpuMetrics, hostUrn } from './seriesData.ts'

/** A question, put by our functions and by hand. The two have the same rows, in the same order. */
export interface Shape {
  ours: Compilable<unknown>
  byHand: RawBuilder<unknown>
}

const hour = 3_600_000

/**
 * The query shapes of TSBS's devops workload (Time Series Benchmark Suite, github.com/timescale/tsbs), on minutes where it has ten seconds: so many metrics of so
 * many hosts in so many hours, as their names say.
 *
 * By hand means as an engineer who knows these tables writes it: filtered by tenant, the URN looked up once, constants where they can be.
 *
 * @param now the end of the data.
 */
export function seriesShapes(scope: Scope, now: Date): Record<string, Shape> {
  const { metric, resource, five, eight, minutes, hours, hosts, during, ofHosts, last } = namesOf(scope, now)

  return {
    'single-groupby-1-1-1': {
      ours: metricSeries(scope, { metric, resource, measure: 'max', by: 'resource', resolution: '5 minutes', range: last(1) }),
      byHand: sql`
        select host.urn as series, date_bin('5 minutes', point.bucket, '2000-01-01Z') as bucket, max(point.max_val) as value, host.resource_id
        from ${minutes} as point ${ofHosts}
        where ${during(last(1))} and point.metric = ${metric} and host.urn = ${resource}
        group by host.resource_id, 2 order by 1, 2`,
    },
    'single-groupby-5-8-1': {
      ours: metricSeries(scope, {
        metric: five,
        resource: eight,
        measure: 'max',
        by: 'resource',
        resolution: '5 minutes',
        range: last(1),
      }),
      byHand: sql`
        select point.metric || ' ' || host.urn as series, date_bin('5 minutes', point.bucket, '2000-01-01Z') as bucket, max(point.max_val) as value,
          host.resource_id
        from ${minutes} as point ${ofHosts}
        where ${during(last(1))} and point.metric = any(${five}::text[]) and host.urn = any(${eight}::text[])
        group by host.resource_id, point.metric, 2 order by 1, 2`,
    },
    'double-groupby-1': {
      ours: metricSeries(scope, { metric, measure: 'avg', by: 'resource', resolution: '1 hour', range: last(12) }),
      byHand: sql`
        select host.urn as series, point.bucket, sum(point.avg_val * point.avg_weight) / sum(point.avg_weight) as value, host.resource_id
        from ${hours} as point ${ofHosts}
        where ${during(last(12))} and point.metric = ${metric}
        group by host.resource_id, point.bucket order by 1, 2`,
    },
    'double-groupby-1-from-minutes': {
      ours: metricSeries(scope, { metric, measure: 'avg', by: 'resource', resolution: '30 minutes', range: last(12) }),
      byHand: sql`
        select host.urn as series, date_bin('30 minutes', point.bucket, '2000-01-01Z') as bucket,
          sum(point.avg_val * point.sample_count) / sum(point.sample_count) as value, host.resource_id
        from ${minutes} as point ${ofHosts}
        where ${during(last(12))} and point.metric = ${metric}
        group by host.resource_id, 2 order by 1, 2`,
    },
    'high-cpu-1': {
      ours: metricSeries(scope, { metric, resource, measure: 'max', range: last(12) }).where('value', '>', 90),
      byHand: sql`
        select ${labelled} as series, point.bucket, point.max_val as value, host.resource_id, point.labels
        from ${minutes} as point ${ofHosts}
        where ${during(last(12))} and point.metric = ${metric} and host.urn = ${resource} and point.max_val > 90
        order by 1, 2`,
    },
    'high-cpu-all': {
      ours: metricSeries(scope, { metric, measure: 'max', range: last(12) }).where('value', '>', 90),
      byHand: sql`
        select ${labelled} as series, point.bucket, point.max_val as value, host.resource_id, point.labels
        from ${minutes} as point ${ofHosts}
        where ${during(last(12))} and point.metric = ${metric} and point.max_val > 90
        order by 1, 2`,
    },
    lastpoint: {
      ours: latestMetrics(scope, { metric: cpuMetrics, measure: 'max', range: last(24 * 7) }),
      byHand: sql`
        select point.metric || ' ' || ${labelled} as series, point.bucket, point.max_val as value, point.resource_id, point.labels
        from ${hosts} as host
        cross join unnest(${cpuMetrics}::text[]) as wanted (metric)
        cross join lateral (
          select point.* from ${minutes} as point
          where ${during(last(24 * 7))} and point.resource_id = host.resource_id and point.metric = wanted.metric
          order by point.bucket desc fetch first 1 row with ties
        ) as point
        where host.tenant_id = ${scope.tenantId}::int8
        order by 1, 2`,
    },
    'groupby-orderby-limit': {
      ours: metricSeries(scope, { metric, measure: 'max', by: 'metric', range: last(12) })
        .orderBy('bucket', 'desc')
        .limit(5),
      byHand: sql`
        select ${metric}::text as series, point.bucket, max(point.max_val) as value
        from ${minutes} as point
        where ${during(last(12))} and point.metric = ${metric}
        group by point.bucket order by point.bucket desc limit 5`,
    },
  }
}

/** Two of the shapes as they are when they are put together from several functions, each of which orders what it gives. */
export function composedShapes(scope: Scope, now: Date): Record<string, Shape> {
  const { metric, minutes, during, ofHosts, last } = namesOf(scope, now)
  return {
    'double-groupby-1': {
      ours: resample(scope, metricSeries(scope, { metric, measure: 'max', by: 'resource', range: last(12) }), {
        every: '1 hour',
        with: 'avg',
      }),
      byHand: sql`
        select series, date_bin('1 hour', bucket, '2000-01-01Z') as bucket, avg(value) as value
        from (
          select host.urn as series, point.bucket, max(point.max_val) as value
          from ${minutes} as point ${ofHosts}
          where ${during(last(12))} and point.metric = ${metric}
          group by host.resource_id, point.bucket
        ) as point
        group by 1, 2 order by 1, 2`,
    },
    'groupby-orderby-limit': {
      ours: aggregateAcross(scope, metricSeries(scope, { metric, measure: 'max', by: 'resource', range: last(12) }), { with: 'max' })
        .orderBy('bucket', 'desc')
        .limit(5),
      byHand: sql`
        select 'all' as series, bucket, max(value) as value, count(value)::int4 as points
        from (
          select point.resource_id, point.bucket, max(point.max_val) as value
          from ${minutes} as point
          where ${during(last(12))} and point.metric = ${metric}
          group by point.resource_id, point.bucket
        ) as point
        group by bucket order by bucket desc limit 5`,
    },
  }
}

/** A series' name, for hosts that may have label sets. */
const labelled = sql`case when point.labels = '{}' then host.urn else host.urn || ' ' || point.labels end`

/** What the questions are about, and how SQL by hand says it. */
function namesOf(scope: Scope, now: Date) {
  const last = (hours: number): TimeRange => ({ from: new Date(now.getTime() - hours * hour), to: now })
  const [metric] = cpuMetrics as [string]
  const five = cpuMetrics.slice(0, 5)
  const eight = Array.from({ length: 8 }, (_, index) => hostUrn(index * 3))
  const resource = hostUrn(7)
  const minutes = scope.id('metric_1m')
  const hours = scope.id('metric_1h')
  const hosts = scope.id('dim_resource')
  const during = ({ from, to }: TimeRange) =>
    sql`point.tenant_id = ${scope.tenantId}::int8 and point.bucket >= ${from}::timestamptz and point.bucket < ${to}::timestamptz`
  const ofHosts = sql`join ${hosts} as host on host.tenant_id = point.tenant_id and host.resource_id = point.resource_id`
  return { metric, resource, five, eight, minutes, hours, hosts, during, ofHosts, last }
}
