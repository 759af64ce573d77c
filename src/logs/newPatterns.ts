import { sql } from 'kysely'
import { z } from 'zod'
import { bucketsOver, windowBucket } from '../database/buckets.ts'
import { finished, type Finished } from '../database/finished.ts'
import { durationText, earlier, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import { urnText } from '../schema/text.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { patternCounts } from './patternCounts.ts'
import { logsSince, seenFirstDuring, seenSince } from './patternsSeen.ts'

export interface NewPatternsOptions {
  /** The time in which they were first logged. */
  range: TimeRange
  /** The URN of the logging resource; every resource if it is not given. */
  resource?: string
  /**
   * How long a pattern must have been silent before the range to count as new again: `'7 days'`.
   * Default: it must never have been seen before.
   */
  silence?: string
}

export interface NewPattern {
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** Null if it is unknown. */
  severity: Severity | null
  /** One message of the pattern as it was logged; null if none was kept. */
  sample_message: string | null
  /** When one of `resources` logged its first record; null if it is unknown. */
  first_seen: Date | null
  /** When its first record was logged at any resource of the tenant; null if it is unknown. */
  first_seen_anywhere: Date | null
  /**
   * When the logs of `resources` begin, those of the first of them. If that is within the range,
   * everything they log is new, and says little.
   */
  logs_since: Date | null
  /** The number of records in the range, of these resources. */
  count_total: number
  /** The number of records of severity ERROR and above in the range, of these resources. */
  count_error: number
  /**
   * URNs of the resources to which it is new and that logged it in the range, sorted by their
   * bytes.
   */
  resources: string[]
}

const newPatternsOptions = z.strictObject({ range: timeRange, resource: urnText.optional(), silence: durationText.optional() })

/**
 * The log patterns that a resource logged for the first time in a range: messages that it did not
 * log before.
 *
 * | | |
 * |---|---|
 * | new | to the resource: it logged its first record of the pattern in the range. One that it logged earlier is not new, however rare it was, and whatever counts retention has dropped since |
 * | with `silence: '7 days'` | a pattern that the resource logged in the range and in no bucket of the 7 days before it; one that came back is included |
 * | without a `resource` | a pattern that is new to any of them, with the counts of those alone to which it is new |
 * | new to the whole tenant | `.where('first_seen_anywhere', '>=', range.from)` |
 * | of resources that logged before the range | `.where('logs_since', '<', range.from)` |
 * | part of a more general pattern by now | the earliest of all parts counts |
 * | order | `first_seen`, then `count_total` descending, then `fingerprint_id` |
 * | counts | of whole 5-minute buckets. The bucket of `first_seen` counts even if the range begins within it, because it has no older record |
 * | rows of your own in `log_pattern_5m` | count from the beginning of their bucket |
 *
 * @throws InvalidInputError if the URN, the range or `silence` is invalid; names the field.
 * @example
 * const fresh = newPatterns(scope, { range: last('30 minutes') })
 * await fresh.where('severity', 'in', ['ERROR', 'FATAL']).execute()
 *
 * // select "pattern".* from (
 * //   select "known"."fingerprint_id", "known"."pattern", ..., "count"."count_total", ...
 * //   from (
 * //     select "count"."fingerprint_id", pg_catalog.min(seen.first_seen) as "first_seen", ...,
 * //       pg_catalog.array_agg(resource.urn order by resource.urn collate "C") as "resources"
 * //     from (
 * //       select ... from "public"."log_pattern_5m" as "count" where "count"."tenant_id" = $1 and
 * //         ... and ((count.resource_id, count.fingerprint_id) in (select ... from
 * //         "public"."log_pattern_seen" ...)) is true
 * //       group by "count"."fingerprint_id", "count"."resource_id"
 * //     ) as "count" inner join lateral (...) as "seen" on true
 * //       inner join lateral (...) as "resource" on true
 * //     where "seen"."first_seen" >= $9 group by "count"."fingerprint_id"
 * //   ) as "count" inner join lateral (...) as "known" on true order by "first_seen", ...
 * // ) as "pattern" where "severity" in ($12, $13)
 */
export function newPatterns(scope: Scope, options: NewPatternsOptions): Finished<NewPattern, 'pattern'> {
  const { range, resource, silence } = parseOptions(newPatternsOptions, options)
  const inRange = patternCounts(scope, { resource, range: silence === undefined ? bucketsOver(windowBucket, range) : range })
  // `is true` and `is not true`, so that the pairs are found once, and not joined.
  const isNew =
    silence === undefined
      ? sql<boolean>`((count.resource_id, count.fingerprint_id) in ${seenFirstDuring(scope, { range, resource })}) is true`
      : sql<boolean>`(
          (count.resource_id, count.fingerprint_id) in ${patternCounts(scope, { resource, range: { from: earlier(range.from, silence), to: range.from } }).select(['count.resource_id', 'count.fingerprint_id'])}
        ) is not true`
  const counted = inRange
    .where(isNew)
    .groupBy(['count.fingerprint_id', 'count.resource_id'])
    .select(['count.fingerprint_id', 'count.resource_id'])
    .select([sql<string>`sum(count.count_total)`.as('count_total'), sql<string>`sum(count.count_error)`.as('count_error')])
  const together = scope.db
    .selectFrom(counted.as('count'))
    .innerJoinLateral(seenSince(scope, { resourceId: 'count.resource_id', fingerprintId: 'count.fingerprint_id' }).as('seen'), (join) =>
      join.onTrue(),
    )
    .innerJoinLateral(resourceAt(scope, 'count.resource_id').as('resource'), (join) => join.onTrue())
    .$if(silence === undefined, (pairs) => pairs.where('seen.first_seen', '>=', range.from))
    .groupBy('count.fingerprint_id')
    .select([
      'count.fingerprint_id',
      sql<Date | null>`pg_catalog.min(seen.first_seen)`.as('first_seen'),
      sql<Date | null>`pg_catalog.min(${logsSince(scope, 'count.resource_id')})`.as('logs_since'),
      sql<number>`sum(count.count_total)::float8`.as('count_total'),
      sql<number>`sum(count.count_error)::float8`.as('count_error'),
      sql<string[]>`pg_catalog.array_agg(resource.urn order by resource.urn collate "C")`.as('resources'),
    ])
  const patterns = scope.db
    .selectFrom(together.as('count'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'count.fingerprint_id').as('known'), (join) => join.onTrue())
    .select(['known.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity')])
    .select(['known.sample_message', 'count.first_seen', 'known.first_seen as first_seen_anywhere', 'count.logs_since'])
    .select(['count.count_total', 'count.count_error', 'count.resources'])
    .orderBy('first_seen')
    .orderBy('count_total', 'desc')
    .orderBy('fingerprint_id')
  return finished(scope, patterns, 'pattern')
}
