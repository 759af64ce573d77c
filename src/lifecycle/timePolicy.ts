import type { Rollup } from './rollups/rollup.ts'

/**
 * What becomes of a time table as its rows grow old. Every duration is an interval of fixed length.
 */
export interface TimePolicy<Table extends string = string> {
  /** `metric_1m`. */
  readonly table: Table
  /** The length of one chunk or partition. */
  readonly chunk: string
  /** Chunks wholly older than this are dropped. */
  readonly retain: string
  /** Chunks older than `after` are compressed, where the server can. */
  readonly compress?: { readonly after: string; readonly segmentBy: readonly string[]; readonly orderBy: readonly string[] }
  /** The coarser tables made from it, the finer first. */
  readonly rollups: readonly RollupPolicy[]
}

export interface RollupPolicy {
  readonly rollup: Rollup
  /** Chunks of the rollup wholly older than this are dropped; longer than its source's. */
  readonly retain: string
  /**
   * Buckets that ended less than this long ago are not rolled yet: their rows are still coming.
   * They are read from the source.
   */
  readonly settle: string
  /** How often a job of the server rolls what is new. */
  readonly every: string
}
