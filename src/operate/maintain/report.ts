/**
 * What `maintain` does to a table: gives a stretch of time a `partition` of its own, with the rows
 * that were waiting for one; `roll`s stale buckets up; has the server `refresh` what its own jobs
 * leave out; `drop`s what is older than its retention; deletes rows that `expire`.
 */
export type MaintenanceKind = 'partition' | 'roll' | 'refresh' | 'drop' | 'expire'

/** One transaction of it. */
export interface MaintenanceUnit {
  readonly kind: MaintenanceKind
  /**
   * The table: `metric_1m`, `event_envelope`; what is rolled is named by its rollup (`metric_1h`),
   * what is cut and dropped by where its rows lie (`metric_1h_stored`).
   */
  readonly object: string
  /** The stretch of time it was about; null where it was about rows one by one, or has no end. */
  readonly from: Date | null
  readonly to: Date | null
  /**
   * Rows moved, written or deleted; null where the server does not say. A dropped chunk is dropped
   * unread: 0.
   */
  readonly rows: number | null
  readonly ms: number
}

/** All that was done of one kind to one table. */
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
  /** The stretch of time it is about; null where it is about rows one by one, or has no end. */
  readonly from: Date | null
  readonly to: Date | null
  /**
   * `locked`: somebody kept a lock through all attempts. `stale`: what is to be dropped has not
   * been rolled yet. `left`: more than one run does; the next goes on. `failed`: the server said
   * why it cannot be done, see `reason`.
   */
  readonly state: 'locked' | 'stale' | 'left' | 'failed'
  readonly attempts: number
  /** What the server said; only where it failed. */
  readonly reason?: string
  /**
   * The id of the tenant whose rows alone are left as they were; only where it failed because of
   * them.
   */
  readonly tenantId?: string
}

/**
 * A bucket whose rows came after part of it had been dropped: it stays as it was, and they go when
 * their retention ends.
 */
export interface TooLate {
  readonly rollup: string
  readonly bucket: Date
}

export interface MaintainReport {
  /** In the order they were begun; empty when there was nothing to do. */
  readonly steps: readonly MaintenanceStep[]
  readonly tooLate: readonly TooLate[]
  readonly notDone: readonly NotDone[]
}
