import { sql } from 'kysely'
import { z } from 'zod'
import type { Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { fingerprintId } from './fingerprintId.ts'
import { leastSimilarity, matchingPatterns, type MatchingPattern } from './matchingPatterns.ts'

export interface SimilarPatternsOptions {
  /** The `fingerprint_id` of a pattern, also one that it had before it became part of another. */
  fingerprintId: string
  /** The least `score`. Default: 0.3. */
  threshold?: number
}

const similarPatternsOptions = z.strictObject({ fingerprintId, threshold: leastSimilarity })

/**
 * The other patterns that are like a pattern: a ranking frame, the most similar first. Of one
 * failure, what else was said; or a pattern that should be one with it.
 *
 * | | |
 * |---|---|
 * | `score` | the similarity of their trigrams, from 0 to 1 (`similarity` of pg_trgm) |
 * | compared | up to 512 characters of both |
 * | an id that the tenant does not have | finds nothing |
 * | order | `score` descending, then `pattern` by its bytes |
 *
 * @throws InvalidInputError if an option is invalid; names the field.
 * @example
 * await similarPatterns(scope, { fingerprintId: '4711' }).limit(5).execute()
 *
 * // select "similar".* from (
 * //   select "match"."fingerprint_id", "known"."pattern", ..., "match"."score"
 * //   from "public"."pattern_matches"($1::int8, array(select ...), true, $4::float8) as "match"
 * //   inner join lateral (...) as "known" on true where match.fingerprint_id <> (...)
 * //   order by "score" desc, known.pattern collate "C"
 * // ) as "similar" limit $8
 */
export function similarPatterns(scope: Scope, options: SimilarPatternsOptions): Finished<MatchingPattern, 'similar'> {
  const { fingerprintId: id, threshold } = parseOptions(similarPatternsOptions, options)
  const current = sql<string>`(
    select coalesce(given.redirect_id, given.fingerprint_id) from ${scope.id('log_pattern')} as given
    where given.tenant_id = ${scope.tenantId}::int8 and given.fingerprint_id = ${id}::int8
  )`
  const texts = sql<string[]>`array(
    select target.pattern from ${scope.id('log_pattern')} as target
    where target.tenant_id = ${scope.tenantId}::int8 and target.fingerprint_id = ${current}
  )`
  return matchingPatterns(scope, { texts, isWhole: true, threshold, except: current }, 'similar')
}
