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

export interface NewPatternsOptions {
  /** The time in which they were seen first. */
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
  /** When its first record was logged, at any resource of the tenant; null if it is unknown. */
  first_seen: Date | null
  /** The number of records in the range. */
  count_total: number
  /** The number of records of severity ERROR and above in the range. */
  count_error: number
  /** URNs of the resources that logged it in the range, sorted by their bytes. */
  resources: string[]
}

const newPatternsOptions = z.strictObject({ range: timeRange, resource: urnText.optional(), silence: durationText.optional() })

/**
 * The log patterns that first appeared in a range: messages that the services did not log before.
 *
 * | | |
 * |---|---|
 * | new | a pattern whose `first_seen` is in the range; one that occurred earlier is absent, however rare it was |
 * | with `silence: '7 days'` | a pattern that is counted in the range and in no bucket of the 7 days before it; one that came back is included |
 * | with a `resource` | only that resource's records count, and `silence` looks at that resource alone; without `silence` the pattern must still be new to the whole tenant |
 * | order | `first_seen`, then `count_total` descending, then `fingerprint_id` |
 * | counts | of whole 5-minute buckets. The bucket of `first_seen` counts even if the range begins within it, because it has no older record |
 *
 * @throws InvalidInputError if the URN, the range or `silence` is invalid; names the field.
 * @example
 * const fresh = newPatterns(scope, { range: last('30 minutes') })
 * await fresh.where('severity', 'in', ['ERROR', 'FATAL']).execute()
 *
 * // select "pattern".* from (
 * //   select "known"."fingerprint_id", "known"."pattern", ..., "count"."count_total", ...
 * //   from (
 * //     select "count"."fingerprint_id", sum(count.count_total)::float8 as "count_total", ...,
 * //       pg_catalog.array_agg(resource.urn order by resource.urn collate "C") as "resources"
 * //     from (
 * //       select ... from "public"."log_pattern_5m" as "count" where "count"."tenant_id" = $1 and
 * //         ... and (count.fingerprint_id in (select ... known.first_seen >= $5 and ...)) is true
 * //       group by "count"."fingerprint_id", "count"."resource_id"
 * //     ) as "count" inner join lateral (...) as "resource" on true
 * //     group by "count"."fingerprint_id"
 * //   ) as "count" inner join lateral (...) as "known" on true order by "first_seen", ...
 * // ) as "pattern" where "severity" in ($9, $10)
 */
export function newPatterns(scope: Scope, options: NewPatternsOptions): Finished<NewPattern, 'pattern'> {
  const { range, resource, silence } = parseOptions(newPatternsOptions, options)
  const inRange = patternCounts(scope, { resource, range: silence === undefined ? bucketsOver(windowBucket, range) : range })
  // `is true` and `is not true`, so that the ids are found once, and not joined.
  const isNew =
    silence === undefined
      ? sql<boolean>`(count.fingerprint_id in (
          select known.fingerprint_id from ${scope.id('log_pattern')} as known
          where known.tenant_id = ${scope.tenantId}::int8 and known.first_seen >= ${range.from}::timestamptz and known.first_seen < ${range.to}::timestamptz
        )) is true`
      : sql<boolean>`(
          count.fingerprint_id in ${patternCounts(scope, { resource, range: { from: earlier(range.from, silence), to: range.from } }).select('count.fingerprint_id')}
        ) is not true`
  const counted = inRange
    .where(isNew)
    .groupBy(['count.fingerprint_id', 'count.resource_id'])
    .select(['count.fingerprint_id', 'count.resource_id'])
    .select([sql<string>`sum(count.count_total)`.as('count_total'), sql<string>`sum(count.count_error)`.as('count_error')])
  const together = scope.db
    .selectFrom(counted.as('count'))
    .innerJoinLateral(resourceAt(scope, 'count.resource_id').as('resource'), (join) => join.onTrue())
    .groupBy('count.fingerprint_id')
    .select([
      'count.fingerprint_id',
      sql<number>`sum(count.count_total)::float8`.as('count_total'),
      sql<number>`sum(count.count_error)::float8`.as('count_error'),
      sql<string[]>`pg_catalog.array_agg(resource.urn order by resource.urn collate "C")`.as('resources'),
    ])
  const patterns = scope.db
    .selectFrom(together.as('count'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'count.fingerprint_id').as('known'), (join) => join.onTrue())
    .select(['known.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity')])
    .select(['known.sample_message', 'known.first_seen', 'count.count_total', 'count.count_error', 'count.resources'])
    .orderBy('first_seen')
    .orderBy('count_total', 'desc')
    .orderBy('fingerprint_id')
  return finished(scope, patterns, 'pattern')
}
