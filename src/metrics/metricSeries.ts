import { sql } from 'kysely'
import { byBytes } from '../database/sql/byBytes.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import type { MetricBy, MetricFrame, MetricPoint } from './metricFrame.ts'
import { mergedMeasure, storedMeasure } from './metricMeasures.ts'
import { checkedMetric, isOneOf, seriesName, type MetricOptions } from './metricOptions.ts'
import { metricLadder } from './metricPolicy.ts'

export interface MetricSeriesOptions<By extends MetricBy = MetricBy> extends MetricOptions<By> {
  /** How long the buckets are: `'1 minute'`, `'15 minutes'`, `'1 hour'`, `'1 day'`. Default: `'auto'`, by the length of the range. */
  resolution?: Resolution
}

/**
 * A metric over time: a series frame, in the order of series (by their bytes) and time.
 *
 * | `by` | a series is | named | also has |
 * |---|---|---|---|
 * | `'series'` | a label set of a resource | the resource's URN, and after a space the labels as JSON where there are any | `resource_id`, `labels` |
 * | `'resource'` | a resource, its label sets put together | its URN | `resource_id` |
 * | `'metric'` | all resources put together | the metric | |
 *
 * Labels are in `jsonb`'s order of keys, so names are stable. Where several metrics are asked for, names begin with the metric and a space.
 *
 * Rows: `series`, `bucket` (when it begins), `value` in the metric's unit: a monotonic sum is a rate per second, its unit ends in `/s`. A bucket without
 * samples has no row; `value` is null where the bucket did not measure it.
 *
 * Up to a week is told by the minute, up to 420 days by the hour, more by the day (in UTC), from `metric_1m`, `metric_1h` and `metric_1d`; so is a time of which the
 * finer table's rows have been dropped. `resolution` says otherwise; say it where two frames are put together. A bucket of several minutes tells of all their samples:
 * their average (a minute weighs as many as it has), maximum, number, and their percentile from the merged histograms (at most 1.083 % off). So are
 * label sets and resources put together: a counter's `avg` over label sets is the mean of their rates, not their sum, for which there is `aggregateAcross`. What
 * nothing has to be put together for is as stored.
 *
 * Buckets that begin in the range count, whole: an hour that began before it is left out, and the last one reaches past its end. The hour and the day that are
 * not over yet tell of what there is so far.
 *
 * @throws InvalidInputError when the metric, the URN, the labels, the range, the measure or the resolution is none.
 * @example
 * const cpu = metricSeries(scope, { metric: 'process.cpu.utilization', resource: checkout, measure: 'max', range: last('1 hour') })
 * const odd = anomalies(scope, cpu, { window: '30 minutes' })
 *
 * // select "point".* from (
 * //   select case when "metric"."labels" = '{}' then "resource"."urn" else "resource"."urn" || ' ' || "metric"."labels"::text end as "series",
 * //     "metric"."bucket" as "bucket", "metric"."max_val" as "value", "metric"."resource_id", "metric"."labels"
 * //   from "public"."metric_1m" as "metric" inner join "public"."dim_resource" as "resource" on ...
 * //   where "metric"."tenant_id" = $1 and "metric"."bucket" >= $2 and "metric"."bucket" < $3 and "metric"."metric" = $4 and "resource"."urn" = $5
 * //   order by case ... end collate "C", "bucket"
 * // ) as "point"
 */
export function metricSeries<By extends MetricBy = 'series'>(scope: Scope, options: MetricSeriesOptions<By>): MetricFrame<By> {
  const { metrics, several, resources, labels, measure, by, range } = checkedMetric(options)
  const reading = readingOf(scope, metricLadder, range, options.resolution)
  const bucket = seriesBucket(reading, sql.ref('metric.bucket'))
  const name = seriesName(by, several)
  // Sorting by a name that all rows have takes a small question's time all the same.
  const oneSeries = !several && (by === 'metric' || (by === 'resource' && resources?.length === 1))
  const merged = mergedMeasure(scope, measure, { rolled: reading.table !== metricLadder.table })
  const rows = scope.db
    .selectFrom(rowsOf(scope, metricLadder, reading).as('metric'))
    .where('metric.tenant_id', '=', scope.tenantId)
    .where('metric.bucket', '>=', reading.range.from)
    .where('metric.bucket', '<', reading.range.to)
    .where(isOneOf('metric.metric', metrics))
    .$if(labels !== undefined, (all) => all.where(sql<boolean>`"metric"."labels" @> ${JSON.stringify(labels)}::jsonb`))
    .$if(!oneSeries, (all) => all.orderBy(byBytes(name)))
    .orderBy(sql.ref('bucket'))
  const ofResources = rows
    .innerJoin(scope.table('dim_resource', 'resource'), (join) =>
      join.onRef('resource.tenant_id', '=', 'metric.tenant_id').onRef('resource.resource_id', '=', 'metric.resource_id'),
    )
    .$if(resources !== undefined, (all) => all.where(isOneOf('resource.urn', resources!)))
  const together = ofResources
    .groupBy('resource.resource_id')
    .$if(several, (all) => all.groupBy('metric.metric'))
    .groupBy(bucket)
  const columns = [name.as('series'), bucket.as('bucket')] as const
  const points = {
    series: () =>
      reading.merged === 1
        ? ofResources.select([...columns, storedMeasure[measure].as('value'), 'metric.resource_id', 'metric.labels'])
        : together.groupBy('metric.labels').select([...columns, merged.as('value'), 'resource.resource_id', 'metric.labels']),
    resource: () => together.select([...columns, merged.as('value'), 'resource.resource_id']),
    metric: () =>
      rows
        .$if(resources !== undefined, (all) =>
          all.where('metric.resource_id', 'in', ({ selectFrom }) =>
            selectFrom(scope.table('dim_resource', 'resource'))
              .select('resource.resource_id')
              .where('resource.tenant_id', '=', scope.tenantId)
              .where(isOneOf('resource.urn', resources!)),
          ),
        )
        .groupBy('metric.metric')
        .groupBy(bucket)
        .select([...columns, merged.as('value')]),
  }
  return scope.db
    .selectFrom(sql<MetricPoint<By>>`${points[by]()}`.as('point'))
    .selectAll('point')
    .$castTo<MetricPoint<By>>()
}
