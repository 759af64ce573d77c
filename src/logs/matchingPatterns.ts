import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { rowOf } from '../database/sql/ofTenant.ts'
import type { Severity } from '../schema/severity.ts'

/** A pattern that is like a text or another pattern. */
export interface MatchingPattern {
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** Null if it is unknown. */
  severity: Severity | null
  /** One message of the pattern as it was logged; null if none was kept. */
  sample_message: string | null
  /** When its first record was logged, at any resource of the tenant; null if it is unknown. */
  first_seen: Date | null
  /** When its last record was logged; null if it is unknown. */
  last_seen: Date | null
  /** Equal to `pattern`. */
  item: string
  /** The similarity, from 0 to 1. */
  score: number
}

/** The least score, from 0 to 1. */
export const leastSimilarity = z.number().min(0).max(1).default(0.3)

/** The tenant's patterns that are like texts, the most similar first. */
export function matchingPatterns<Alias extends string>(
  scope: Scope,
  { texts, isWhole, threshold, except }: { texts: RawBuilder<string[]>; isWhole: boolean; threshold: number; except?: RawBuilder<string> },
  alias: Alias,
): Finished<MatchingPattern, Alias> {
  const matches = sql<{
    fingerprint_id: string
    score: number
  }>`${scope.id('pattern_matches')}(${scope.tenantId}::int8, ${texts}, ${sql.lit(isWhole)}, ${threshold}::float8)`
  const matching = scope.db
    .selectFrom(matches.as('match'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'match.fingerprint_id').as('known'), (join) => join.onTrue())
    .$if(except !== undefined, (all) => all.where(sql<boolean>`match.fingerprint_id <> ${except!}`))
    .select(['match.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity'), 'known.sample_message'])
    .select(['known.first_seen', 'known.last_seen', 'known.pattern as item', 'match.score'])
    .orderBy('score', 'desc')
    .orderBy(sql`known.pattern collate "C"`)
  return finished(scope, matching, alias)
}
