import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { metricRows } from './metricRows.ts'

/**
 * The measures of a metric series: average, maximum and 95th percentile of a bucket's samples in
 * the metric's unit, and the number of samples.
 */
export const metricMeasures = ['avg', 'max', 'p95', 'count'] as const
export type MetricMeasure = (typeof metricMeasures)[number]

/** A measure of a single row of a metric table (as `metric`). */
export const storedMeasure: Readonly<Record<MetricMeasure, RawBuilder<number | null>>> = {
  avg: sql`metric.avg_val`,
  max: sql`metric.max_val`,
  p95: sql`metric.p95_val`,
  count: sql`metric.sample_count::float8`,
}

/**
 * A measure of several rows of a metric table (as `metric`) together: an aggregate.
 *
 * @param rolled whether they are rows of a rollup.
 */
export function mergedMeasure(scope: Scope, measure: MetricMeasure, { rolled }: { rolled: boolean }): RawBuilder<number | null> {
  const rows = metricRows(scope.id, { alias: 'metric', rolled })
  return { avg: rows.average, max: rows.maximum, p95: rows.quantile(0.95), count: rows.count }[measure]
}
