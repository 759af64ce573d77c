import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'

/**
 * The contents of `pgvantage_policy.settings`, by the policy's kind. Durations are intervals of
 * fixed length, as declared.
 */
export interface PolicySettings {
  /** Chunks older than `after` are compressed. */
  compression: { after: string; segmentBy: readonly string[]; orderBy: readonly string[] }
  /** Chunks that end before this age are dropped. */
  retention: { retain: string }
  /**
   * Buckets that ended `settle` ago are rolled up, once in `every`. A job of the server rolls up
   * those that began within `start`, and `maintain` the older ones.
   */
  refresh: { start: string; settle: string; every: string }
}

export type PolicyKind = keyof PolicySettings

/** A policy as it was last applied. */
export type AppliedPolicy = {
  [Kind in PolicyKind]: {
    /** `metric_1m`, `metric_1h`, `event_envelope`, `oo_locator`. */
    readonly object: string
    readonly kind: Kind
    readonly settings: PolicySettings[Kind]
    /** TimescaleDB's job; null if `maintain` does it. */
    readonly jobId: number | null
    readonly appliedAt: Date
  }
}[PolicyKind]

/** The policies that `applyPolicies` has applied, by object and kind. */
export async function appliedPolicies(db: Kysely<{}>, { schema }: Pick<Installation, 'schema'>): Promise<AppliedPolicy[]> {
  const { rows } = await sql<AppliedPolicy>`
    select object, kind, settings, job_id as "jobId", applied_at as "appliedAt"
    from ${sql.id(schema, 'pgvantage_policy')}
    order by object, kind
  `.execute(db)
  return rows
}
