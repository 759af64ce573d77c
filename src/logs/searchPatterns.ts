import { sql } from 'kysely'
import { z } from 'zod'
import type { Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { storableText } from '../schema/text.ts'
import { leastSimilarity, matchingPatterns, type MatchingPattern } from './matchingPatterns.ts'
import { wordsOf } from './pattern.ts'

export interface SearchPatternsOptions {
  /** A message, or some words of one; they may be misspelt. */
  text: string
  /** The least `score`. Default: 0.3. */
  threshold?: number
}

const searchPatternsOptions = z.strictObject({ text: storableText.min(1), threshold: leastSimilarity })

/**
 * The patterns that have a part like a text: a ranking frame, the most similar first.
 *
 * | | |
 * |---|---|
 * | the text | as it is, and as a message is masked: a whole message finds its pattern |
 * | `score` | the similarity of their trigrams, from 0 to 1 (`word_similarity` of pg_trgm); 1 if the pattern has all of them together |
 * | a pattern that has become part of another one | finds that one: `session of alpha` finds `session of <*>` |
 * | compared | up to 512 characters of both |
 * | order | `score` descending, then `pattern` by its bytes |
 *
 * @throws InvalidInputError if an option is invalid; names the field.
 * @example
 * await searchPatterns(scope, { text: 'conection refused' }).limit(5).execute()
 *
 * // select "found".* from (
 * //   select "match"."fingerprint_id", "known"."pattern", ..., "match"."score"
 * //   from "public"."pattern_matches"($1::int8, array[$2, $3]::text[], false, $4::float8) as "match"
 * //   inner join lateral (...) as "known" on true order by "score" desc, known.pattern collate "C"
 * // ) as "found" limit $6
 */
export function searchPatterns(scope: Scope, options: SearchPatternsOptions): Finished<MatchingPattern, 'found'> {
  const { text, threshold } = parseOptions(searchPatternsOptions, options)
  const texts = sql<string[]>`array[${text}, ${wordsOf(text)}]::text[]`
  return matchingPatterns(scope, { texts, isWhole: false, threshold }, 'found')
}
