/**
 * What `maintain` does to a table:
 *
 * | | |
 * |---|---|
 * | `partition` | creates a partition for a stretch of time, with its rows from the default partition |
 * | `roll` | rolls up stale buckets |
 * | `refresh` | has the server refresh what its own jobs leave out |
 * | `drop` | drops chunks older than the retention |
 * | `expire` | deletes rows older than the retention, and series of metrics that have no row left |
 */
export type MaintenanceKind = 'partition' | 'roll' | 'refresh' | 'drop' | 'expire'

/** One transaction of maintenance. */
export interface MaintenanceUnit {
  readonly kind: MaintenanceKind
  /**
   * The table: `metric_1m`, `event_envelope`. For a roll-up the rollup (`metric_1h`); for
   * partitions and drops the storage of its rows (`metric_1h_stored`).
   */
  readonly object: string
  /** The stretch of time; null for single rows, or an end that is open. */
  readonly from: Date | null
  readonly to: Date | null
  /**
   * Rows moved, written or deleted; null if the server does not say. A dropped chunk is not read:
   * 0.
   */
  readonly rows: number | null
  readonly ms: number
}

/** All units of one kind for one table. */
export interface MaintenanceStep {
  readonly kind: MaintenanceKind
  readonly object: string
  readonly units: number
  readonly rows: number | null
  readonly ms: number
}

/** What was not done, and why. */
export interface NotDone {
  readonly kind: MaintenanceKind
  readonly object: string
  /** The stretch of time; null for single rows, or an end that is open. */
  readonly from: Date | null
  readonly to: Date | null
  /**
   * | state | |
   * |---|---|
   * | `locked` | another session kept a lock through all attempts |
   * | `stale` | the chunk to drop has not been rolled up yet |
   * | `left` | more than one run does; the next continues |
   * | `failed` | the server refused it, see `reason` |
   */
  readonly state: 'locked' | 'stale' | 'left' | 'failed'
  readonly attempts: number
  /** The server's reason; only for `failed`. */
  readonly reason?: string
  /**
   * The id of the tenant whose rows caused the failure; only these rows were not rolled up. Absent
   * for other failures.
   */
  readonly tenantId?: string
}

/**
 * A bucket whose rows arrived after part of its source was dropped: it stays as it was, and the
 * late rows are dropped at the end of their retention.
 */
export interface TooLate {
  readonly rollup: string
  readonly bucket: Date
}

export interface MaintainReport {
  /** In the order they began; empty if there was nothing to do. */
  readonly steps: readonly MaintenanceStep[]
  readonly tooLate: readonly TooLate[]
  readonly notDone: readonly NotDone[]
}
