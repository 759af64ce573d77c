import { sql } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { metricSeries } from '../src/metrics/index.ts'
import { hostUrn } from './seriesData.ts'
import type { Shape } from './seriesShapes.ts'

/** A metric of some hosts over a month, by the hour: from the hours, and by hand from the minutes. The two have the same rows. */
export function coarseShape(scope: Scope, metric: string, hosts: number, month: TimeRange): Shape {
  const resource = Array.from({ length: hosts }, (_, host) => hostUrn(host))
  return {
    ours: metricSeries(scope, { metric, resource, measure: 'avg', range: month }),
    byHand: sql`
      select host.urn as series, date_bin('1 hour', point.bucket, '2000-01-01Z') as bucket,
        sum(point.avg_val * point.sample_count) / sum(point.sample_count) as value, host.resource_id, point.labels
      from ${scope.id('metric_1m')} as point
      join ${scope.id('dim_resource')} as host on host.tenant_id = point.tenant_id and host.resource_id = point.resource_id
      where point.tenant_id = ${scope.tenantId}::int8 and point.metric = ${metric}
        and point.bucket >= ${month.from}::timestamptz and point.bucket < ${month.to}::timestamptz and host.urn = any(${resource}::text[])
      group by host.resource_id, 2, point.labels order by 1, 2`,
  }
}
