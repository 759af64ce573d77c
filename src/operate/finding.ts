/** Something that `doctor` has to say about a database. */
export interface Finding {
  /**
   * `error`: something does not work, or answers may be wrong. `warning`: it works, but will not for
   * long or not well. `info`: worth knowing.
   */
  severity: 'error' | 'warning' | 'info'
  /** Stable, for programs: `not-installed`, `pgvector-vacuum`, `drift`. */
  code: string
  message: string
  /** What to do about it. */
  remedy: string
}
