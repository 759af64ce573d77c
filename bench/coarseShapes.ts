import { sql } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { metricSeries } from '../src/metrics/index.ts'
import { hostUrn } from './seriesData.ts'
import type { Shape } from './seriesShapes.ts'

/** A month of a metric by the hour, of one host, of all of them as one line, of each, and a percentile: from the hours, and by hand from the minutes. The two have the same rows. */
export function coarseShapes(scope: Scope, metric: string, hosts: number, month: TimeRange): Record<string, Shape> {
  const resource = Array.from({ length: hosts }, (_, host) => hostUrn(host))
  const rows = (urns: readonly string[]) => sql`
    from ${scope.id('metric_1m')} as point
    join ${scope.id('dim_resource')} as host on host.tenant_id = point.tenant_id and host.resource_id = point.resource_id
    where point.tenant_id = ${scope.tenantId}::int8 and point.metric = ${metric}
      and point.bucket >= ${month.from}::timestamptz and point.bucket < ${month.to}::timestamptz and host.urn = any(${urns}::text[])`
  const hour = sql`date_bin('1 hour', point.bucket, '2000-01-01Z') as bucket`
  return {
    'one-host': {
      ours: metricSeries(scope, { metric, resource: hostUrn(0), measure: 'avg', by: 'resource', range: month }),
      byHand: sql`
        select host.urn as series, ${hour}, sum(point.avg_val * point.sample_count) / sum(point.sample_count) as value, host.resource_id
        ${rows([hostUrn(0)])} group by host.resource_id, 2 order by 1, 2`,
    },
    together: {
      ours: metricSeries(scope, { metric, resource, measure: 'max', by: 'metric', range: month }),
      byHand: sql`select point.metric as series, ${hour}, max(point.max_val) as value ${rows(resource)} group by point.metric, 2 order by 1, 2`,
    },
    'each-host': {
      ours: metricSeries(scope, { metric, resource, measure: 'avg', by: 'resource', range: month }),
      byHand: sql`
        select host.urn as series, ${hour}, sum(point.avg_val * point.sample_count) / sum(point.sample_count) as value, host.resource_id
        ${rows(resource)} group by host.resource_id, 2 order by 1, 2`,
    },
    percentile: {
      ours: metricSeries(scope, { metric, resource: hostUrn(0), measure: 'p95', range: month }),
      byHand: sql`
        select host.urn as series, ${hour}, ${scope.id('exp_histogram_quantile')}(${scope.id('exp_histogram_merge')}(
          coalesce(point.histogram, case when point.sample_count = 1 then ${scope.id('exp_histogram')}(point.avg_val) end)), 0.95) as value,
          host.resource_id, point.labels
        ${rows([hostUrn(0)])} group by host.resource_id, 2, point.labels order by 1, 2`,
    },
  }
}
