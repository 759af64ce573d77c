import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { readingOf } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { patternCounts } from './patternCounts.ts'
import { patternLadder } from './patternPolicy.ts'

export interface PatternDiversityOptions {
  /** The URN of the logging resource; every resource if it is not given. */
  resource?: string
  /** Buckets that begin in it count. */
  range: TimeRange
}

/** How many different patterns one resource logs. */
export interface PatternDiversity {
  /** URN of the resource. */
  urn: string
  resource_id: string
  /** The number of distinct patterns. */
  pattern_count: number
  /** The number of records. */
  count_total: number
  /** The number of equally frequent patterns with the same diversity: from 1 to `pattern_count`. */
  effective_count: number
  /** The share of records with the most frequent pattern, above 0 and at most 1. */
  top_share: number
  /** Equal to `urn`. */
  item: string
  /** Equal to `effective_count`. */
  score: number
}

const patternDiversityOptions = z.strictObject({ resource: urnText.optional(), range: timeRange })

/**
 * How diverse the messages of each resource are: a ranking frame with one row for each resource,
 * the most diverse first. A service whose diversity explodes logs free text: its messages contain
 * what should be attributes.
 *
 * | a resource logs | `pattern_count` | `effective_count` |
 * |---|---|---|
 * | one pattern | 1 | 1 |
 * | four patterns, equally often | 4 | 4 |
 * | one pattern 997 times, three others once | 4 | 1.02 |
 *
 * | | |
 * |---|---|
 * | `effective_count` | the exponential of Shannon's entropy of the patterns' shares: the diversity number of order 1 of M. O. Hill, "Diversity and evenness: a unifying notation and its consequences", Ecology 54 (1973) |
 * | counts | exact |
 * | order | `score` descending, then `urn` by its bytes, as in `topK` |
 * | absent | a resource without a record in the range |
 * | range | buckets that begin in it count as a whole: an hour that began before it is left out, and the last one extends past its end |
 * | read from | up to 35 days `log_pattern_5m`, up to 420 `log_pattern_1h`, beyond that `log_pattern_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 *
 * Diversity grows with the length of the range: compare ranges of equal length.
 *
 * @throws InvalidInputError if the URN or the range is invalid; names the field.
 * @example
 * const chatty = patternDiversity(scope, { range: last('1 day') })
 * await chatty.where('effective_count', '>', 100).execute()
 *
 * // select "diversity".* from (
 * //   select "resource"."urn" as "urn", ..., least(exp(-sum(... order by ...)),
 * //     pg_catalog.count(*)::float8) as "effective_count", ...
 * //   from (
 * //     select ..., counted.records::float8 / (sum(...) over (...))::float8 as "share" from (
 * //       select "count"."resource_id", sum(count.count_total) as "records"
 * //       from "public"."log_pattern_5m" as "count" where "count"."tenant_id" = $1 and ...
 * //       group by "count"."resource_id", "count"."fingerprint_id"
 * //     ) as "counted" ...
 * //   ) as "logged" inner join ... group by "resource"."resource_id" order by "score" desc, ...
 * // ) as "diversity" where "effective_count" > $5
 */
export function patternDiversity(scope: Scope, options: PatternDiversityOptions): Finished<PatternDiversity, 'diversity'> {
  const { resource, range } = parseOptions(patternDiversityOptions, options)
  const reading = readingOf(scope, patternLadder, range)
  const counted = patternCounts(scope, { resource, range: reading.range }, rowsOf(scope, patternLadder, reading))
    .groupBy(['count.resource_id', 'count.fingerprint_id'])
    .select(['count.resource_id', sql<string>`sum(count.count_total)`.as('records')])
  const logged = scope.db
    .selectFrom(counted.as('counted'))
    .select([
      'counted.resource_id',
      'counted.records',
      sql<number>`counted.records::float8 / (sum(counted.records) over (partition by counted.resource_id))::float8`.as('share'),
    ])
    .where(sql<boolean>`counted.records > 0::numeric`)
  // In a fixed order, so that equal counts give equal sums. The limit removes rounding errors above
  // the number of patterns.
  const entropy = sql`-sum(logged.share * ln(logged.share) order by logged.share)`
  const patterns = sql<number>`pg_catalog.count(*)::float8`
  const effective = sql<number>`least(exp(${entropy}), ${patterns})`
  const measured = scope.db
    .selectFrom(logged.as('logged'))
    .groupBy('logged.resource_id')
    .select([
      'logged.resource_id',
      patterns.as('pattern_count'),
      sql<number>`sum(logged.records)::float8`.as('count_total'),
      effective.as('effective_count'),
      sql<number>`max(logged.share)`.as('top_share'),
    ])
  const diversity = scope.db
    .selectFrom(measured.as('logged'))
    .innerJoinLateral(resourceAt(scope, 'logged.resource_id').as('resource'), (join) => join.onTrue())
    .select(['resource.urn as urn', 'logged.resource_id', 'logged.pattern_count', 'logged.count_total', 'logged.effective_count'])
    .select(['logged.top_share', 'resource.urn as item', 'logged.effective_count as score'])
    .orderBy('score', 'desc')
    .orderBy(byBytes('resource.urn'))
  return finished(scope, diversity, 'diversity')
}
