import { sql, type RawBuilder } from 'kysely'
import { weightedMean } from '../database/sql/bounded.ts'
import type { Scope } from '../database/scope.ts'
import { histogramQuantile } from '../sketch/histogramQuantile.ts'

/**
 * What a metric series can measure: average, maximum and 95th percentile of a bucket's samples in
 * the metric's unit, and their number.
 */
export const metricMeasures = ['avg', 'max', 'p95', 'count'] as const
export type MetricMeasure = (typeof metricMeasures)[number]

/** What a row of a metric table (as `metric`) says by itself. */
export const storedMeasure: Readonly<Record<MetricMeasure, RawBuilder<number | null>>> = {
  avg: sql`"metric"."avg_val"`,
  max: sql`"metric"."max_val"`,
  p95: sql`"metric"."p95_val"`,
  count: sql`"metric"."sample_count"::float8`,
}

/**
 * What is known of several rows of a metric table (as `metric`) together: an aggregate over them.
 *
 * The average is that of all samples, the percentile comes from the merged histograms.
 *
 * @param weight the column that says how many samples a row's average is of.
 */
export function mergedMeasure(scope: Scope, measure: MetricMeasure, weight: 'sample_count' | 'avg_weight'): RawBuilder<number | null> {
  switch (measure) {
    case 'avg':
      return sql.raw(weightedMean('"metric"."avg_val"', `"metric"."${weight}"`))
    case 'max':
      return sql`max("metric"."max_val")`
    case 'p95': {
      const columns = { histogram: sql.ref<string[] | null>('metric.histogram'), count: sql.ref<string>('metric.sample_count') }
      return histogramQuantile(scope, { ...columns, single: sql.ref<number | null>('metric.avg_val') }, 0.95)
    }
    case 'count':
      return sql`sum("metric"."sample_count")::float8`
  }
}
