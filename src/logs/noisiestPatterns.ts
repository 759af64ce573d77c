import { sql } from 'kysely'
import { z } from 'zod'
import { bucketWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import { urnText } from '../schema/text.ts'
import { patternCounts } from './patternCounts.ts'

export interface NoisiestPatternsOptions {
  /** The time to count in. The five-minute buckets in which it begins and ends belong to it. */
  range: TimeRange
  /** What growth is measured from. It must not overlap `range`. Default: as long as the range, just before it. */
  baseline?: TimeRange
  /** The URN of the logging resource; every resource if it is not given. */
  resource?: string
}

/** How much of the log one pattern is. */
export interface NoisyPattern {
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** Null if it is unknown. */
  severity: Severity | null
  /** One message of the pattern as it was logged; null if none was kept. */
  sample_message: string | null
  /** The number of records in the range. */
  count_total: number
  /** The number of records of severity ERROR and above in the range. */
  count_error: number
  /** The share of all records in the range, above 0 and at most 1. */
  share: number
  /** Its rate in the range over its rate in the baseline; null if the baseline has none. */
  growth: number | null
  /** URNs of the resources that logged it in the range, sorted by their bytes. */
  resources: string[]
  /** Equal to `pattern`. */
  item: string
  /** Equal to `count_total`. */
  score: number
}

const noisiestPatternsOptions = z
  .strictObject({ range: timeRange, baseline: timeRange.optional(), resource: urnText.optional() })
  .transform((given) => {
    const { from, to } = given.range
    return { ...given, baseline: given.baseline ?? { from: new Date(2 * from.getTime() - to.getTime()), to: from } }
  })
  .superRefine(refuseOverlap)

/**
 * The patterns that are most of the log, the most frequent first: a ranking frame with one row for
 * each pattern. A frequent pattern that is no error is what to log less of.
 *
 * | | |
 * |---|---|
 * | `share` | of the records in the range; with a `resource`, of its records |
 * | `growth` | 2: twice as often as in the baseline, in the same time |
 * | read from | `log_pattern_5m`: whole 5-minute buckets |
 * | order | `score` descending, then `pattern` by its bytes |
 *
 * @throws InvalidInputError if an option is invalid, or the windows overlap; names the field.
 * @example
 * const noise = noisiestPatterns(scope, { range: last('1 day') })
 * await noise.where('count_error', '=', 0).limit(10).execute()
 *
 * // select "noisy".* from (
 * //   select "count"."fingerprint_id", "known"."pattern", ..., "count"."share", ...
 * //   from (
 * //     select "count"."fingerprint_id", ..., sum(count.now)::float8 / (sum(sum(count.now)) over ())::float8
 * //       as "share", ...
 * //     from (... from "public"."log_pattern_5m" as "count" where "count"."tenant_id" = $6 and ...
 * //       group by "count"."resource_id", "count"."fingerprint_id") as "count"
 * //     inner join lateral (...) as "resource" on true group by "count"."fingerprint_id" having ...
 * //   ) as "count" inner join lateral (...) as "known" on true order by "score" desc, ...
 * // ) as "noisy" where "count_error" = $15 limit $16
 */
export function noisiestPatterns(scope: Scope, options: NoisiestPatternsOptions): Finished<NoisyPattern, 'noisy'> {
  const { resource, ...given } = parseOptions(noisiestPatternsOptions, options)
  const { range, baseline } = bucketWindows(given)
  const both = {
    from: range.from < baseline.from ? range.from : baseline.from,
    to: range.to > baseline.to ? range.to : baseline.to,
  }
  const isIn = ({ from, to }: TimeRange) => sql<boolean>`(count.bucket >= ${from}::timestamptz and count.bucket < ${to}::timestamptz)`
  const lengths = (range.to.getTime() - range.from.getTime()) / Math.max(1, baseline.to.getTime() - baseline.from.getTime())
  const counted = patternCounts(scope, { resource, range: both })
    .groupBy(['count.resource_id', 'count.fingerprint_id'])
    .select([
      'count.resource_id',
      'count.fingerprint_id',
      sql<string | null>`sum(count.count_total) filter (where ${isIn(range)})`.as('now'),
      sql<string | null>`sum(count.count_error) filter (where ${isIn(range)})`.as('errors'),
      sql<string | null>`sum(count.count_total) filter (where ${isIn(baseline)})`.as('before'),
    ])
  const now = sql`sum(count.now)`
  const together = scope.db
    .selectFrom(counted.as('count'))
    .innerJoinLateral(resourceAt(scope, 'count.resource_id').as('resource'), (join) => join.onTrue())
    .groupBy('count.fingerprint_id')
    .having(sql<boolean>`${now} > 0::numeric`)
    .select([
      'count.fingerprint_id',
      sql<number>`${now}::float8`.as('count_total'),
      sql<number>`sum(count.errors)::float8`.as('count_error'),
      sql<number>`${now}::float8 / (sum(${now}) over ())::float8`.as('share'),
      sql<number | null>`${now}::float8 / nullif(sum(count.before)::float8 * ${lengths}::float8, 0::float8)`.as('growth'),
      sql<string[]>`pg_catalog.array_agg(resource.urn order by resource.urn collate "C") filter (where count.now > 0::numeric)`.as(
        'resources',
      ),
    ])
  const noisy = scope.db
    .selectFrom(together.as('count'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'count.fingerprint_id').as('known'), (join) => join.onTrue())
    .select(['count.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity'), 'known.sample_message'])
    .select(['count.count_total', 'count.count_error', 'count.share', 'count.growth', 'count.resources'])
    .select(['known.pattern as item', 'count.count_total as score'])
    .orderBy('score', 'desc')
    .orderBy(sql`known.pattern collate "C"`)
  return finished(scope, noisy, 'noisy')
}
