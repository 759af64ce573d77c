import { sql } from 'kysely'
import { z } from 'zod'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { ofTenant } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import { metricGroupings, type MetricBy, type MetricFrame, type MetricPoint } from './metricFrame.ts'
import { mergedMeasure, storedMeasure } from './metricMeasures.ts'
import { metricOptions, seriesName, type MetricOptions } from './metricOptions.ts'
import { metricLadder } from './metricPolicy.ts'
import { isOfSeries } from './seriesOf.ts'

export interface MetricSeriesOptions<By extends MetricBy = MetricBy> extends MetricOptions<By> {
  /**
   * The length of the buckets: `'1 minute'`, `'15 minutes'`, `'1 hour'`, `'1 day'`. Default:
   * `'auto'`, by the length of the range.
   */
  resolution?: Resolution
}

const metricSeriesOptions = z.strictObject({ ...metricOptions(metricGroupings), resolution: z.string().optional() })

/**
 * A metric over time: a series frame. Ordered by series (by their bytes), then time.
 *
 * | `by` | a series is | named | also has |
 * |---|---|---|---|
 * | `'series'` | a label set of a resource | the resource's URN, and after a space the labels as JSON, if there are any | `resource_id`, `labels` |
 * | `'resource'` | a resource, its label sets combined | its URN | `resource_id` |
 * | `'metric'` | all resources combined | the metric | |
 *
 * Labels are in `jsonb`'s order of keys, so names are stable. If you ask for several metrics, names
 * begin with the metric and a space.
 *
 * | | |
 * |---|---|
 * | `value` | in the metric's unit; null if the bucket did not measure it. A monotonic sum is a rate per second, with a unit that ends in `/s` |
 * | a bucket without samples | has no row |
 * | several rows in one bucket | the average of all samples (a minute weighs as many as it has), their maximum, their number, and their percentile from the merged histograms (at most 1.083 % off) |
 * | one row | is given as stored |
 * | range | buckets that begin in it count as a whole: an hour that began before it is left out, and the last one extends past its end |
 * | read from | up to a week `metric_1m`, up to 420 days `metric_1h`, beyond that `metric_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 *
 * A counter's `avg` over label sets is the mean of their rates, not their sum; for the sum use
 * `aggregateAcross`. Set the `resolution` if you combine two frames. A running hour or day covers
 * what arrived so far.
 *
 * @throws InvalidInputError if the metric, a URN, the labels, the range, the measure, `by` or the
 * resolution is invalid; names the field.
 * @example
 * const cpu = metricSeries(scope, { metric: 'process.cpu.utilization', resource: checkout, measure: 'max', range: last('1 hour') })
 * const odd = anomalies(scope, cpu, { window: '30 minutes' })
 *
 * // select "point".* from (
 * //   select case when metric.labels = '{}' then resource.urn else resource.urn || ' ' ||
 * //     metric.labels::text end as "series",
 * //     "metric"."bucket" as "bucket", "metric"."max_val" as "value", "metric"."resource_id",
 * //       "metric"."labels"
 * //   from "public"."metric_1m" as "metric" inner join "public"."dim_resource" as "resource" on
 * //     ...
 * //   where "metric"."series_id" = any(array(
 * //     select known.series_id from "public"."metric_series" as known
 * //     where known.tenant_id = $2::int8 and "known"."metric" = $3 and known.resource_id = any(...)
 * //       and known.last_day >= ($6::timestamptz at time zone 'UTC')::date
 * //   )) and "metric"."bucket" >= $7 and "metric"."bucket" < $8 and
 * //     "public"."require_resources"($9::int8, $10::text[])
 * //   order by case ... end collate "C", "bucket"
 * // ) as "point"
 */
export function metricSeries<By extends MetricBy = 'series'>(scope: Scope, options: MetricSeriesOptions<By>): MetricFrame<By> {
  const {
    metric: metrics,
    resource: resources,
    labels,
    measure,
    by = 'series',
    range,
    resolution,
  } = parseOptions(metricSeriesOptions, options)
  const several = typeof options.metric !== 'string'
  const reading = readingOf(scope, metricLadder, range, resolution)
  const bucket = seriesBucket(reading, sql.ref('metric.bucket'))
  const name = seriesName(by, several)
  // Even when all rows have the same name, sorting by it takes as long as a small query.
  const oneSeries = !several && (by === 'metric' || (by === 'resource' && resources?.length === 1))
  const merged = mergedMeasure(scope, measure, { rolled: reading.table !== metricLadder.table })
  const rows = scope.db
    .selectFrom(rowsOf(scope, metricLadder, reading).as('metric'))
    .where(isOfSeries(scope, 'metric.series_id', { metrics, resources, labels, since: reading.range.from }))
    .where('metric.bucket', '>=', reading.range.from)
    .where('metric.bucket', '<', reading.range.to)
    .$if(resources !== undefined, (all) => all.where(requireResources(scope, resources!)))
    .$if(!oneSeries, (all) => all.orderBy(byBytes(name)))
    .orderBy(sql.ref('bucket'))
  const ofResources = rows.innerJoin(scope.table('dim_resource', 'resource'), (join) =>
    join.onRef('resource.resource_id', '=', 'metric.resource_id').on(ofTenant(scope, 'resource')),
  )
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
        .groupBy('metric.metric')
        .groupBy(bucket)
        .select([...columns, merged.as('value')]),
  }
  return finished(scope, sql<MetricPoint<By>>`${points[by]()}`, 'point')
}
