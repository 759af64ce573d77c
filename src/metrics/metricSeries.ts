import { sql } from 'kysely'
import { z } from 'zod'
import { checkedRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'
import { histogramQuantile } from '../sketch/histogramQuantile.ts'

/** What a metric series can measure: average, maximum and 95th percentile of a minute's samples in the metric's unit, and their number. */
export const metricMeasures = ['avg', 'max', 'p95', 'count'] as const
export type MetricMeasure = (typeof metricMeasures)[number]

export interface MetricSeriesOptions {
  /** The metric's name, as OpenTelemetry gives it: `'http.server.request.duration'`. */
  metric: string
  /** The resource's URN; every resource that has the metric when left out. */
  resource?: string
  /** Only label sets that contain these (`@>`): `{ 'http.request.method': 'GET' }`. */
  labels?: Record<string, Json>
  measure: MetricMeasure
  /** Buckets that begin in it count. */
  range: TimeRange
  /** What a series stands for: `'series'`, one label set of one resource; `'resource'`, all its label sets together. Default: `'series'`. */
  by?: 'series' | 'resource'
}

/**
 * A metric, a minute at a time: a series frame, in the order of series and time.
 *
 * By `'series'` there is a series for each label set of each resource, named by the resource's URN, and after a space the labels as JSON where there are any
 * (keys in `jsonb`'s order, so the name is stable); values are as stored. By `'resource'` there is one for each resource, named by its URN, and its label
 * sets are put together: the average is that of all samples (each label set weighs as many as it has), the maximum the greatest, counts add, and the
 * percentile is that of all samples, from the merged histograms (at most 1.083 % off). So a counter's `avg` over label sets is the mean of their rates, not
 * their sum.
 *
 * Rows: `series`, `bucket` (when it begins), `value` in the metric's unit: a monotonic sum is a rate per second, its unit ends in `/s`. A minute without
 * samples has no row; `value` is null where the minute did not measure it.
 *
 * @throws InvalidInputError when the metric, the URN, the labels, the range or the measure is none.
 * @example
 * const cpu = metricSeries(scope, { metric: 'process.cpu.utilization', resource: checkout, measure: 'max', range: last('1 hour') })
 * const odd = anomalies(scope, cpu, { window: '30 minutes' })
 *
 * // select "point".* from (
 * //   select case when "metric"."labels" = '{}' then "resource"."urn" else "resource"."urn" || ' ' || "metric"."labels"::text end as "series",
 * //     "metric"."bucket", "metric"."max_val" as "value"
 * //   from "public"."metric_1m" as "metric" inner join "public"."dim_resource" as "resource" on ...
 * //   where "metric"."tenant_id" = $1 and "metric"."metric" = $2 and "metric"."bucket" >= $3 and "metric"."bucket" < $4 and "resource"."urn" = $5
 * //   order by "series", "bucket"
 * // ) as "point"
 */
export function metricSeries(scope: Scope, { metric, resource, labels, measure, range, by = 'series' }: MetricSeriesOptions) {
  checkedRange(range)
  parse(z.enum(metricMeasures), measure, 'measure')
  parse(urnText.optional(), resource, 'resource')
  parse(storableObject.optional(), labels, 'labels')
  const minutes = scope.db
    .selectFrom(scope.table('metric_1m', 'metric'))
    .innerJoin(scope.table('dim_resource', 'resource'), (join) =>
      join.onRef('resource.tenant_id', '=', 'metric.tenant_id').onRef('resource.resource_id', '=', 'metric.resource_id'),
    )
    .where('metric.tenant_id', '=', scope.tenantId)
    .where('metric.metric', '=', parse(boundedText(255), metric, 'metric'))
    .where('metric.bucket', '>=', range.from)
    .where('metric.bucket', '<', range.to)
    .$if(resource !== undefined, (rows) => rows.where('resource.urn', '=', resource!))
    .$if(labels !== undefined, (rows) => rows.where(sql<boolean>`"metric"."labels" @> ${JSON.stringify(labels)}::jsonb`))
  const points =
    parse(z.enum(['series', 'resource']), by, 'by') === 'series'
      ? minutes.select([seriesName.as('series'), 'metric.bucket', stored[measure].as('value')])
      : minutes
          .groupBy(['resource.urn', 'metric.bucket'])
          .select(['resource.urn as series', 'metric.bucket', merged(scope, measure).as('value')])
  const inOrder = points.orderBy('series').orderBy('bucket')
  return scope.db.selectFrom(inOrder.as('point')).selectAll('point')
}

const seriesName = sql<string>`case when "metric"."labels" = '{}' then "resource"."urn" else "resource"."urn" || ' ' || "metric"."labels"::text end`

const stored = {
  avg: sql<number | null>`"metric"."avg_val"`,
  max: sql<number | null>`"metric"."max_val"`,
  p95: sql<number | null>`"metric"."p95_val"`,
  count: sql<number | null>`"metric"."sample_count"::float8`,
}

function merged(scope: Scope, measure: MetricMeasure) {
  switch (measure) {
    case 'avg':
      return sql<
        number | null
      >`sum("metric"."avg_val" * "metric"."sample_count") / nullif(sum("metric"."sample_count") filter (where "metric"."avg_val" is not null), 0)::float8`
    case 'max':
      return sql<number | null>`max("metric"."max_val")`
    case 'p95': {
      const columns = { histogram: sql.ref<string[] | null>('metric.histogram'), count: sql.ref<string>('metric.sample_count') }
      return histogramQuantile(scope, { ...columns, single: sql.ref<number | null>('metric.avg_val') }, 0.95)
    }
    case 'count':
      return sql<number | null>`sum("metric"."sample_count")::float8`
  }
}
