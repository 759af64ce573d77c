import type { OtlpSummaryPoint } from '../../schema/otlp.ts'

/** What is used of a summary point. */
export interface Summary {
  count: number
  sum: number
  /** The quantile 0.95; null where the point does not have it. */
  p95: number | null
  /** The quantile 1; null where the point does not have it. */
  max: number | null
}

/** Reads a summary point; null when its sum is not finite. What it leaves out is zero. */
export function summaryOf(point: OtlpSummaryPoint): Summary | null {
  const sum = point.sum ?? 0
  if (!Number.isFinite(sum)) return null
  const quantile = (q: number) => {
    const found = point.quantileValues.find((entry) => (entry.quantile ?? 0) === q)
    const value = found === undefined ? null : (found.value ?? 0)
    return value !== null && Number.isFinite(value) ? value : null
  }
  return { count: point.count ?? 0, sum, p95: quantile(0.95), max: quantile(1) }
}

/**
 * What was added to a summary between two of its points, with the quantiles of the later one; null
 * when it was reset in between.
 */
export const subtractSummary = (now: Summary, before: Summary): Summary | null =>
  now.count < before.count ? null : { ...now, count: now.count - before.count, sum: now.sum - before.sum }
