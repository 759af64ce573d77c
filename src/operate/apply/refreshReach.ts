/** What decides how far back a job may roll. Lengths are milliseconds. */
export interface RefreshReachOptions {
  /** How far back it is declared to look, and how young a bucket it leaves alone. */
  readonly start: number
  readonly settle: number
  /** The length of the rollup's buckets. */
  readonly bucket: number
  /** The length of the source's chunks. */
  readonly chunk: number
  /** The age up to which the source is known to be whole, at this moment and at every later one. */
  readonly kept: number
  /** How far back the job in force looks, if there is one. */
  readonly current?: number
}

/**
 * How far back a job may roll, in milliseconds: never to where rows of the source may be gone, for
 * it would take their rolled rows away too.
 *
 * As far as declared where the source is kept so long; else so many whole chunks (or days, where
 * not one chunk is kept). A job that looks back less stays as it is until a second chunk could be
 * added: how many chunks are whole depends on the day, and no job should come and go with that.
 *
 * Null where not even the two buckets that a job's window has to hold are kept.
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
