import { sql } from 'kysely'
import type { Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { changedPatterns, type Change, type ChangedPattern, type ChangedPatternsOptions } from './changedPatterns.ts'

const vanished: Change = {
  factor: 10,
  // A flood of other messages does not make more of this one expected.
  expected: sql`logged.before * case
    when logged.all_before > logged.before
    then least((logged.all_now - logged.now) / (logged.all_before - logged.before), logged.ratio)
    else logged.ratio
  end`,
  distance: sql`(sqrt(logged.expected + 0.375::float8) - sqrt(logged.now + 0.375::float8))`,
  differs: (factor) => sql`logged.now * ${factor} < logged.expected`,
}

/**
 * The patterns that a resource stopped logging, judged by its own traffic: one row for each
 * resource and pattern, the most unusual first. A function that returns early does not log what
 * comes after it.
 *
 * | | |
 * |---|---|
 * | expected | the records of the baseline, times all other records of the resource in the range over those in the baseline; at most times the length of the range over that of the baseline |
 * | vanished | the range has less than one `factor`th of that (default: 10), and the `score` is at least `threshold` (default: 4), for which 7 expected records are enough |
 * | `score` | as in {@link burstingPatterns}, in the other direction |
 * | a resource that logs nothing any more | is absent, unless the pattern was its only one: `latestData` finds it |
 * | read from | `log_pattern_5m`: whole 5-minute buckets |
 * | order | `score` descending, then `urn` by its bytes, then `fingerprint_id` |
 *
 * @throws InvalidInputError if an option is invalid, or the windows overlap; names the field.
 * @example
 * const silent = vanishedPatterns(scope, { range: last('30 minutes'), baseline: yesterday })
 * await silent.execute()
 *
 * // select "vanished".* from (
 * //   select "logged"."fingerprint_id", "known"."pattern", ..., "logged"."now" as "count_total",
 * //     "logged"."expected", "logged"."last_bucket", "logged"."score"
 * //   from (... logged.before * case when logged.all_before > logged.before then least(...) ...)
 * //   where "logged"."score" >= $14::float8 order by "score" desc, ...
 * // ) as "vanished"
 */
export function vanishedPatterns(scope: Scope, options: ChangedPatternsOptions): Finished<ChangedPattern, 'vanished'> {
  return changedPatterns(scope, options, vanished, 'vanished')
}
