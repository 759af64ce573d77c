import { sql } from 'kysely'
import { z } from 'zod'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { parseOptions } from '../schema/parse.ts'
import type { MetricBy, MetricFrame, MetricPoint } from './metricFrame.ts'
import { mergedMeasure, storedMeasure } from './metricMeasures.ts'
import { metricOptions, seriesName, type MetricOptions } from './metricOptions.ts'

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
 * | cost | one index lookup for each resource in each chunk or partition of the range, from the newest back to its last data |
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
 * //     select "metric".* from "public"."metric_1m" as "metric"
 * //     where "metric"."tenant_id" = $2 and "metric"."resource_id" = "resource"."resource_id" and
 * //       "metric"."metric" = "wanted"."name"
 * //       and "metric"."bucket" >= $3 and "metric"."bucket" < $4
 * //     order by "metric"."bucket" desc fetch next $5 rows with ties
 * //   ) as "metric" where "resource"."tenant_id" = $6 order by ... collate "C", "bucket"
 * // ) as "point" where "value" > $7
 */
export function latestMetrics<By extends Exclude<MetricBy, 'metric'> = 'series'>(
  scope: Scope,
  options: MetricOptions<By>,
): MetricFrame<By> {
  const { metric: metrics, resource: resources, labels, measure, by = 'series', range } = parseOptions(latestMetricsOptions, options)
  const several = typeof options.metric !== 'string'
  const name = seriesName(by, several)
  const newest = scope.db
    .selectFrom(scope.table('metric_1m', 'metric'))
    .selectAll('metric')
    .where('metric.tenant_id', '=', scope.tenantId)
    .whereRef('metric.resource_id', '=', sql.ref<string>('resource.resource_id'))
    .whereRef('metric.metric', '=', sql.ref<string>('wanted.name'))
    .where('metric.bucket', '>=', range.from)
    .where('metric.bucket', '<', range.to)
    .$if(labels !== undefined, (all) => all.where(sql<boolean>`metric.labels @> ${JSON.stringify(labels)}::jsonb`))
    .orderBy('metric.bucket', 'desc')
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
