import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import type { Json } from '../schema/text.ts'
import { isOneOf } from './metricOptions.ts'

export interface SeriesWanted {
  /** Every metric if it is not given. */
  metrics?: readonly string[] | undefined
  /** The URNs of resources; every resource if it is not given. */
  resources?: readonly string[] | undefined
  /** Labels that a series must contain. */
  labels?: Record<string, Json> | undefined
  /** Series that ended on an earlier day are left out, if they are known to have. */
  since?: Date | undefined
}

/**
 * The condition by which a read chooses series in `metric_series` (as `known`): of the tenant, of
 * these metrics and resources, with these labels.
 */
export function isWanted(scope: Scope, { metrics, resources, labels, since }: SeriesWanted): RawBuilder<boolean> {
  const conditions = [
    sql`known.tenant_id = ${scope.tenantId}::int8`,
    ...(metrics === undefined ? [] : [isOneOf('known.metric', metrics)]),
    ...(labels === undefined ? [] : [sql`known.labels @> ${JSON.stringify(labels)}::jsonb`]),
    ...(resources === undefined
      ? []
      : [
          sql`known.resource_id = any(array(
        select given.resource_id from ${scope.id('dim_resource')} as given
        where given.tenant_id = ${scope.tenantId}::int8 and ${isOneOf('given.urn', resources)}
      ))`,
        ]),
    ...(since === undefined ? [] : [hasRowsSince(since)]),
  ]
  return sql<boolean>`${sql.join(conditions, sql` and `)}`
}

/**
 * The condition that a series (`known` in `metric_series`) may have rows from this time on.
 *
 * Of 100,000 label sets of which 1,000 are alive, the others are not looked up.
 */
export const hasRowsSince = (from: Date): RawBuilder<boolean> =>
  sql<boolean>`known.last_day >= (${from}::timestamptz at time zone 'UTC')::date`

/**
 * The condition that a row of `metric_1m` or a rollup belongs to one of these series.
 *
 * Their keys are looked up first, and then the rows by the keys: without statistics as with them.
 *
 * @example
 * .where(isOfSeries(scope, 'metric.series_id', { metrics: ['cpu'] }))
 * // where "metric"."series_id" = any(array(
 * //   select known.series_id from "public"."metric_series" as known where known.tenant_id = $1::int8 and "known"."metric" = $2
 * // ))
 */
export const isOfSeries = (scope: Scope, column: string, wanted: SeriesWanted): RawBuilder<boolean> =>
  sql<boolean>`${sql.ref(column)} = any(array(
      select known.series_id from ${scope.id('metric_series')} as known where ${isWanted(scope, wanted)}
    ))`
