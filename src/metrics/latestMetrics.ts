import { sql } from 'kysely'
import { z } from 'zod'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { ofTenant } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import type { MetricBy, MetricFrame, MetricPoint } from './metricFrame.ts'
import { mergedMeasure, storedMeasure } from './metricMeasures.ts'
import { metricOptions, seriesName, type MetricOptions } from './metricOptions.ts'
import { hasRowsSince } from './seriesOf.ts'

const latestMetricsOptions = z.strictObject(metricOptions(['series', 'resource']))

/**
 * The last measurement of each resource: a series frame with one bucket for each resource and
 * metric. Ordered by series.
 *
 * | | |
 * |---|---|
 * | the bucket | the resource's newest minute in the range |
 * | `by: 'series'` (the default) | a point for each label set that the resource has in that minute; a label set that stopped earlier is absent |
 * | `by: 'resource'` | the label sets are combined as in {@link metricSeries} |
 * | range | how old the last measurement may be: a resource without one in the range is absent |
 * | cost | one index lookup for each label set of each resource in each chunk or partition of the range, from the newest back to its last data; none for label sets that ended on a day before the range |
 * | names | as in {@link metricSeries} |
 *
 * @throws InvalidInputError if the metric, a URN, the labels, the range, the measure or `by` is
 * invalid; names the field.
 * @example
 * const full = latestMetrics(scope, { metric: 'system.filesystem.utilization', measure: 'max', range: last('1 day') }).where('value', '>', 0.9)
 *
 * // select "point".* from (
 * //   select ... as "series", "metric"."bucket" as "bucket", "metric"."max_val" as "value",
 * //     "metric"."resource_id", "metric"."labels"
 * //   from "public"."dim_resource" as "resource" cross join pg_catalog.unnest($1::text[]) as
 * //     wanted (name) cross join lateral (
 * //     select "of_series".* from "public"."metric_series" as "known" cross join lateral (
 * //       select "of_series".* from "public"."metric_1m" as "of_series"
 * //       where "of_series"."series_id" = "known"."series_id" and ...
 * //       order by "of_series"."bucket" desc limit 1
 * //     ) as "of_series"
 * //     where "known"."tenant_id" = $5 and "known"."resource_id" = "resource"."resource_id" and
 * //       "known"."metric" = "wanted"."name" and
 * //       known.last_day >= ($6::timestamptz at time zone 'UTC')::date
 * //     order by "of_series"."bucket" desc fetch next $7 rows with ties
 * //   ) as "metric" where "resource"."tenant_id" = $8 order by ... collate "C", "bucket"
 * // ) as "point" where "value" > $9
 */
export function latestMetrics<By extends Exclude<MetricBy, 'metric'> = 'series'>(
  scope: Scope,
  options: MetricOptions<By>,
): MetricFrame<By> {
  const { metric: metrics, resource: resources, labels, measure, by = 'series', range } = parseOptions(latestMetricsOptions, options)
  const several = typeof options.metric !== 'string'
  const name = seriesName(by, several)
  const newestOfSeries = scope.db
    .selectFrom(scope.table('metric_1m', 'of_series'))
    .selectAll('of_series')
    .where('of_series.series_id', '=', sql.ref<string>('known.series_id'))
    .where(ofTenant(scope, 'of_series'))
    .where('of_series.bucket', '>=', range.from)
    .where('of_series.bucket', '<', range.to)
    .orderBy('of_series.bucket', 'desc')
    .limit(sql.lit(1))
  const newest = scope.db
    .selectFrom(scope.table('metric_series', 'known'))
    .crossJoinLateral(newestOfSeries.as('of_series'))
    .selectAll('of_series')
    .where('known.tenant_id', '=', scope.tenantId)
    .where('known.resource_id', '=', sql.ref<string>('resource.resource_id'))
    .where('known.metric', '=', sql.ref<string>('wanted.name'))
    .where(hasRowsSince(range.from))
    .$if(labels !== undefined, (all) => all.where(sql<boolean>`known.labels @> ${JSON.stringify(labels)}::jsonb`))
    .orderBy('of_series.bucket', 'desc')
    .fetch(1, 'with ties')
  const rows = scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .crossJoin(sql<{ name: string }>`pg_catalog.unnest(${metrics}::text[])`.as<'wanted'>(sql`wanted (name)`))
    .crossJoinLateral(newest.as('metric'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .$if(resources !== undefined, (all) =>
      all.where(sql<boolean>`resource.urn = any(${resources}::text[])`).where(requireResources(scope, resources!)),
    )
    .orderBy(byBytes(name))
    .orderBy(sql.ref('bucket'))
  const columns = [name.as('series'), 'metric.bucket as bucket'] as const
  const points =
    by === 'series'
      ? rows.select([...columns, storedMeasure[measure].as('value'), 'metric.resource_id', 'metric.labels'])
      : rows
          .groupBy(['resource.resource_id', 'metric.metric', 'metric.bucket'])
          .select([...columns, mergedMeasure(scope, measure, { rolled: false }).as('value'), 'resource.resource_id'])
  return finished(scope, sql<MetricPoint<By>>`${points}`, 'point')
}
