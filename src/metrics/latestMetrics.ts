import { sql } from 'kysely'
import { byBytes } from '../database/sql/byBytes.ts'
import type { Scope } from '../database/scope.ts'
import type { MetricBy, MetricFrame, MetricPoint } from './metricFrame.ts'
import { mergedMeasure, storedMeasure } from './metricMeasures.ts'
import { checkedMetric, seriesName, type MetricOptions } from './metricOptions.ts'

/**
 * What each resource measured last: a series frame of one bucket a resource and metric, the newest minute in the range that it has, in the order of series.
 *
 * By `'series'` (the default) there is a point for each label set that the resource has at that minute: one that stopped before the others is not there. By
 * `'resource'` these are put together as {@link metricSeries} puts them together. Rows and names are those of `metricSeries`.
 *
 * The range says how long ago the last may be: a resource that measured nothing in it is absent. However long it is, a resource costs one look
 * into an index in each chunk or partition of the range, from the newest back to where it has something. It is read from the minutes.
 *
 * @throws InvalidInputError when the metric, the URN, the labels, the range or the measure is none.
 * @example
 * const full = latestMetrics(scope, { metric: 'system.filesystem.utilization', measure: 'max', range: last('1 day') }).where('value', '>', 0.9)
 *
 * // select "point".* from (
 * //   select ... as "series", "metric"."bucket" as "bucket", "metric"."max_val" as "value", "metric"."resource_id", "metric"."labels"
 * //   from "public"."dim_resource" as "resource" cross join pg_catalog.unnest($1::text[]) as "wanted"("name") cross join lateral (
 * //     select "metric".* from "public"."metric_1m" as "metric"
 * //     where "metric"."tenant_id" = $2 and "metric"."resource_id" = "resource"."resource_id" and "metric"."metric" = "wanted"."name"
 * //       and "metric"."bucket" >= $3 and "metric"."bucket" < $4
 * //     order by "metric"."bucket" desc fetch next $5 rows with ties
 * //   ) as "metric" where "resource"."tenant_id" = $6 order by ... collate "C", "bucket"
 * // ) as "point" where "value" > $7
 */
export function latestMetrics<By extends Exclude<MetricBy, 'metric'> = 'series'>(
  scope: Scope,
  options: MetricOptions<By>,
): MetricFrame<By> {
  const { metrics, several, resources, labels, measure, by, range } = checkedMetric(options, ['series', 'resource'])
  const name = seriesName(by, several)
  const newest = scope.db
    .selectFrom(scope.table('metric_1m', 'metric'))
    .selectAll('metric')
    .where('metric.tenant_id', '=', scope.tenantId)
    .whereRef('metric.resource_id', '=', sql.ref<string>('resource.resource_id'))
    .whereRef('metric.metric', '=', sql.ref<string>('wanted.name'))
    .where('metric.bucket', '>=', range.from)
    .where('metric.bucket', '<', range.to)
    .$if(labels !== undefined, (all) => all.where(sql<boolean>`"metric"."labels" @> ${JSON.stringify(labels)}::jsonb`))
    .orderBy('metric.bucket', 'desc')
    .fetch(1, 'with ties')
  const rows = scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .crossJoin(sql<{ name: string }>`pg_catalog.unnest(${metrics}::text[])`.as<'wanted'>(sql`"wanted"("name")`))
    .crossJoinLateral(newest.as('metric'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .$if(resources !== undefined, (all) => all.where(sql<boolean>`"resource"."urn" = any(${resources}::text[])`))
    .orderBy(byBytes(name))
    .orderBy(sql.ref('bucket'))
  const columns = [name.as('series'), 'metric.bucket as bucket'] as const
  const points =
    by === 'series'
      ? rows.select([...columns, storedMeasure[measure].as('value'), 'metric.resource_id', 'metric.labels'])
      : rows
          .groupBy(['resource.resource_id', 'metric.metric', 'metric.bucket'])
          .select([...columns, mergedMeasure(scope, measure, { rolled: false }).as('value'), 'resource.resource_id'])
  return scope.db
    .selectFrom(sql<MetricPoint<By>>`${points}`.as('point'))
    .selectAll('point')
    .$castTo<MetricPoint<By>>()
}
