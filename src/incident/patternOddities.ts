import { sql } from 'kysely'
import { z } from 'zod'
import { comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import { askedOf, patternChanges } from './changes.ts'

export interface DoingOddityOptions {
  /** The time to judge. The five-minute buckets in which it begins and ends belong to it. */
  range: TimeRange
  /**
   * A normal time to compare with; a longer one is better. It must not overlap `range`. A bucket
   * that belongs to both counts for the range.
   */
  baseline: TimeRange
}

/** What a resource logs differently, for the requests that it gets. */
export interface PatternOddity {
  resource_id: string
  urn: string
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** Null if it is unknown. */
  severity: Severity | null
  /** One message of the pattern as it was logged; null if none was kept. */
  sample_message: string | null
  /** `count_error`: an error that is logged more often. `count_total`: anything else, less often. */
  measure: 'count_error' | 'count_total'
  /** The records that the baseline makes expected for the requests of the range. */
  expected: number
  /** The records in the range. */
  actual: number
  /** The share of the requests of the range that are logged differently, less what may be chance, 0..1. */
  share: number
  /** How many standard errors `actual` is away from `expected`. */
  score: number
}

export const doingOddityOptions = z.strictObject(comparedWindows).superRefine(refuseOverlap)

/**
 * The errors that a resource logs and did not log before, and the messages that it no longer logs,
 * judged by its own requests: one row for each resource and pattern, the greatest share first.
 *
 * | | |
 * |---|---|
 * | an error | a pattern with records of severity ERROR and above in either window; one that is logged less often is good news, and absent |
 * | anything else | is odd if it is logged less often: a function that returns early or throws does not log what comes after it |
 * | expected | the records of the baseline, times the calls to the resource in the range over those in the baseline |
 * | a resource without measured calls | all else that it logs, errors aside, stands for its requests; if it logs nothing else, the lengths of the windows |
 * | `score` | standard errors, of square roots of counts; a pattern whose count for each call varies in the baseline has greater ones. Rows have more than 2, so among many patterns a twentieth is chance |
 * | `share` | of the requests, times 1 - (2 / `score`)² |
 * | read from | `log_pattern_5m` and `service_call_5m`: whole 5-minute buckets |
 * | order | `share` descending, then `urn` by its bytes, then `fingerprint_id` |
 *
 * Counts alone, without calls: {@link burstingPatterns}, {@link vanishedPatterns}.
 *
 * @throws InvalidInputError if a window runs backwards or the two overlap; names the field.
 * @example
 * const odd = patternOddities(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await odd.where('share', '>', 0.1).execute()
 *
 * // select "oddity".* from (
 * //   select "change"."resource_id", "resource"."urn", "change"."fingerprint_id", "known"."pattern", ...
 * //   from (with counted_call as (...), ..., pattern_change as (...) select * from pattern_change) as "change"
 * //   inner join lateral (...) as "known" on true inner join lateral (...) as "resource" on true
 * //   order by "share" desc, ...
 * // ) as "oddity" where "share" > $25
 */
export function patternOddities(scope: Scope, options: DoingOddityOptions): Finished<PatternOddity, 'oddity'> {
  const windows = parseOptions(doingOddityOptions, options)
  const changes = sql<Pick<PatternOddity, 'resource_id' | 'fingerprint_id' | 'measure' | 'expected' | 'actual' | 'share' | 'score'>>`(
    with ${askedOf(scope, windows)}, ${patternChanges(scope, windows)}
    select resource_id, fingerprint_id, measure, expected, actual, share, abs(z) as score from pattern_change
  )`
  const oddities = scope.db
    .selectFrom(changes.as('change'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'change.fingerprint_id').as('known'), (join) => join.onTrue())
    .innerJoinLateral(resourceAt(scope, 'change.resource_id').as('resource'), (join) => join.onTrue())
    .select(['change.resource_id', 'resource.urn', 'change.fingerprint_id', 'known.pattern'])
    .select([sql<Severity | null>`known.severity`.as('severity'), 'known.sample_message'])
    .select(['change.measure', 'change.expected', 'change.actual', 'change.share', 'change.score'])
    .orderBy('share', 'desc')
    .orderBy(byBytes('resource.urn'))
    .orderBy('fingerprint_id')
  return finished(scope, oddities, 'oddity')
}
