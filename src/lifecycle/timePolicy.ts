import type { Rollup } from './rollups/rollup.ts'

/** The policy for a time table's rows by age. Every duration is an interval of fixed length. */
export interface TimePolicy<Table extends string = string> {
  /** `metric_1m`. */
  readonly table: Table
  /** The length of one chunk or partition. */
  readonly chunk: string
  /** Chunks that end before this age are dropped. */
  readonly retain: string
  /** Chunks older than `after` are compressed, if the server can. */
  readonly compress?: { readonly after: string; readonly segmentBy: readonly string[]; readonly orderBy: readonly string[] }
  /** The coarser tables computed from it, the finer first. */
  readonly rollups: readonly RollupPolicy[]
}

export interface RollupPolicy {
  readonly rollup: Rollup
  /** Chunks of the rollup that end before this age are dropped; longer than its source's. */
  readonly retain: string
  /**
   * Buckets that ended less than this long ago are not rolled up yet, since their rows are still
   * arriving. They are read from the source.
   */
  readonly settle: string
  /** How often a job of the server rolls up new rows. */
  readonly every: string
}
