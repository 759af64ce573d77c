import type { PolicyKind, PolicySettings } from '../policies/appliedPolicies.ts'

/** What becomes of one policy of one table. */
export interface PolicyChange {
  /**
   * `keep`: it is as declared already. `leave`: it is left as it is, and `reason` says what stands
   * in the way.
   */
  action: 'add' | 'change' | 'remove' | 'keep' | 'leave'
  /** `metric_1m`, `metric_1h`, `event_envelope`, `oo_locator`. */
  object: string
  kind: PolicyKind
  /** What was applied before; null where nothing was. */
  applied: PolicySettings[PolicyKind] | null
  /** What is declared; null where nothing is. */
  declared: PolicySettings[PolicyKind] | null
  /** Statements that run first, each for itself: TimescaleDB refreshes in no transaction. */
  statementsBefore: string[]
  /** Statements that run together in one transaction. */
  statements: string[]
  /** What it means on this server, a sentence for a person. */
  reason: string
}
