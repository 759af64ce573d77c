import type { OtlpSummaryPoint } from '../../schema/otlp.ts'

/** The fields of a summary point that are used. */
export interface Summary {
  count: number
  sum: number
  /** The quantile 0.95; null if the point does not have it. */
  p95: number | null
  /** The quantile 1; null if the point does not have it. */
  max: number | null
}

/** Reads a summary point; null if its sum is not finite. Missing fields are zero. */
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
 * The increase of a summary between two of its points, with the quantiles of the later one; null if
 * it was reset in between.
 */
export const subtractSummary = (now: Summary, before: Summary): Summary | null =>
  now.count < before.count ? null : { ...now, count: now.count - before.count, sum: now.sum - before.sum }
