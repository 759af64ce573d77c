import { temporality, type OtlpMetric, type OtlpPoint } from '../../schema/otlp.ts'

/**
 * The kind of a metric's rows.
 *
 * | kind | from |
 * |---|---|
 * | `counter` | a monotonic sum, as a rate per second |
 * | `gauge` | a gauge, or a sum that may also fall |
 * | `histogram` | a histogram, with explicit or exponential buckets |
 * | `summary` | a summary |
 */
export type MetricKind = 'gauge' | 'counter' | 'histogram' | 'summary'

/** How a metric's points become samples: unchanged, or as the increase since the point before. */
export type MetricForm = 'value' | 'counter' | 'delta-counter' | 'delta-gauge' | 'distribution' | 'delta-distribution' | 'summary'

/**
 * The kind, form and points of a metric; null if a sum or histogram does not state its temporality.
 */
export function formOf(metric: OtlpMetric): { kind: MetricKind; form: MetricForm; points: readonly OtlpPoint[] } | null {
  if (metric.gauge) return { kind: 'gauge', form: 'value', points: metric.gauge.dataPoints }
  if (metric.sum) {
    const { aggregationTemporality, isMonotonic, dataPoints: points } = metric.sum
    const delta = aggregationTemporality === temporality.delta
    if (!delta && aggregationTemporality !== temporality.cumulative) return null
    return isMonotonic
      ? { kind: 'counter', form: delta ? 'delta-counter' : 'counter', points }
      : { kind: 'gauge', form: delta ? 'delta-gauge' : 'value', points }
  }
  const histogram = metric.histogram ?? metric.exponentialHistogram
  if (histogram) {
    const delta = histogram.aggregationTemporality === temporality.delta
    if (!delta && histogram.aggregationTemporality !== temporality.cumulative) return null
    return { kind: 'histogram', form: delta ? 'delta-distribution' : 'distribution', points: histogram.dataPoints }
  }
  return metric.summary ? { kind: 'summary', form: 'summary', points: metric.summary.dataPoints } : null
}
