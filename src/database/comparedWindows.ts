import type { z } from 'zod'
import { bucketsOver, windowBucket } from './buckets.ts'
import { timeRange, type TimeRange } from './range.ts'

/** Two windows, as options give them. */
export const comparedWindows = { range: timeRange, baseline: timeRange }

/** Refuses a baseline that overlaps the range: a time cannot be both normal and odd. */
export function refuseOverlap({ range, baseline }: { range: TimeRange; baseline: TimeRange }, { addIssue }: z.core.$RefinementCtx): void {
  if (range.from < baseline.to && baseline.from < range.to) {
    const message = `must not overlap the range (from ${range.from.toISOString()} to ${range.to.toISOString()})`
    addIssue({ code: 'custom', path: ['baseline'], message })
  }
}

/**
 * The windows, extended to 5-minute buckets: the bucket in which trouble began belongs to the
 * range, not to the baseline.
 */
export function bucketWindows({ range, baseline }: { range: TimeRange; baseline: TimeRange }): { range: TimeRange; baseline: TimeRange } {
  const buckets = bucketsOver(windowBucket, range)
  const to = baseline.from < range.from && baseline.to > buckets.from ? buckets.from : baseline.to
  return { range: buckets, baseline: { from: baseline.from, to } }
}
