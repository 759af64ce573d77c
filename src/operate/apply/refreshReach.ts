/** The values that decide how far back a job may roll up. Lengths are milliseconds. */
export interface RefreshReachOptions {
  /** How far back it is declared to look, and the age at which a bucket has settled. */
  readonly start: number
  readonly settle: number
  /** The length of the rollup's buckets. */
  readonly bucket: number
  /** The length of the source's chunks. */
  readonly chunk: number
  /** The age up to which the source is complete, now and at every later time. */
  readonly kept: number
  /** How far back the existing job looks, if there is one. */
  readonly current?: number
}

/**
 * How far back a job may roll up, in milliseconds. It must not reach times where rows of the source
 * may be gone: refreshing those would delete their rolled-up rows.
 *
 * That is as far as declared, if the source is kept that long; otherwise as many whole chunks as
 * are kept (or days, if less than one chunk is). A job that looks back less stays unchanged until a
 * second chunk could be added: the number of whole chunks varies by day, and the job should not.
 *
 * Null if not even the two buckets are kept that a job's window must contain.
 */
export function refreshReach({ start, settle, bucket, chunk, kept, current = 0 }: RefreshReachOptions): number | null {
  const shortest = settle + 2 * bucket
  if (kept < shortest) return null
  if (kept >= start) return start
  const unit = kept >= chunk ? chunk : day
  const reach = Math.max(Math.floor(kept / unit) * unit, shortest)
  return current >= shortest && current <= reach && reach - current <= unit ? current : reach
}

const day = 86_400_000
