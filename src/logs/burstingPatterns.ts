import { sql } from 'kysely'
import type { Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { changedPatterns, type Change, type ChangedPattern, type ChangedPatternsOptions } from './changedPatterns.ts'

const burst: Change = {
  factor: 2,
  expected: sql`logged.before * logged.ratio`,
  distance: sql`(sqrt(logged.now + 0.375::float8) - sqrt(logged.expected + 0.375::float8))`,
  differs: (factor) => sql`logged.now > logged.expected * ${factor}`,
}

/**
 * The patterns that a resource logs more often than before: one row for each resource and pattern,
 * the most unusual first. A pattern that it never logged before is expected 0 times.
 *
 * | | |
 * |---|---|
 * | expected | the records of the baseline, times the length of the range over that of the baseline |
 * | a burst | more than `factor` times that (default: 2), and a `score` of at least `threshold` (default: 4) |
 * | `score` | the difference of the square roots of both counts, in its standard deviations; patterns whose counts vary in the baseline need more. Of 300,000 patterns with random counts around one mean, at most two reached 4 |
 * | read from | `log_pattern_5m`: whole 5-minute buckets |
 * | order | `score` descending, then `urn` by its bytes, then `fingerprint_id` |
 *
 * @throws InvalidInputError if an option is invalid, or the windows overlap; names the field.
 * @example
 * const louder = burstingPatterns(scope, { range: last('30 minutes'), baseline: yesterday })
 * await louder.where('severity', 'in', ['ERROR', 'FATAL']).execute()
 *
 * // select "burst".* from (
 * //   select "logged"."fingerprint_id", "known"."pattern", ..., "logged"."now" as "count_total",
 * //     "logged"."expected", "logged"."last_bucket", "logged"."score"
 * //   from (... sum(count.count_total) filter (where ...) ... from "public"."log_pattern_5m" as
 * //     "count" where "count"."tenant_id" = $8 and ... group by "count"."resource_id", ...) ...
 * //   where "logged"."score" >= $14::float8 order by "score" desc, ...
 * // ) as "burst" where "severity" in ($15, $16)
 */
export function burstingPatterns(scope: Scope, options: ChangedPatternsOptions): Finished<ChangedPattern, 'burst'> {
  return changedPatterns(scope, options, burst, 'burst')
}
