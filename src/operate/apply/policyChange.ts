import type { PolicyKind, PolicySettings } from '../policies/appliedPolicies.ts'

/** What happens to one policy of one table. */
export interface PolicyChange {
  /** `keep`: it is already as declared. `leave`: it cannot be applied, and `reason` says why. */
  action: 'add' | 'change' | 'remove' | 'keep' | 'leave'
  /** `metric_1m`, `metric_1h`, `event_envelope`, `oo_locator`. */
  object: string
  kind: PolicyKind
  /** What was applied before; null if nothing was. */
  applied: PolicySettings[PolicyKind] | null
  /** What is declared; null if nothing is. */
  declared: PolicySettings[PolicyKind] | null
  /** Statements that run first, each outside a transaction: TimescaleDB cannot refresh in one. */
  statementsBefore: string[]
  /** Statements that run together in one transaction. */
  statements: string[]
  /** What the change means on this server, as a sentence. */
  reason: string
}
