import { sql } from 'kysely'
import { bucketsOver, windowBucket } from '../database/buckets.ts'
import { checkedRange, durationText, earlier, type TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import { patternCounts } from './patternCounts.ts'

export interface NewPatternsOptions {
  /** When they were seen for the first time. */
  range: TimeRange
  /** The URN of the resource that logged; every resource when left out. */
  resource?: string
  /**
   * How long a pattern must have been silent before the range to be new again: `'7 days'`. When left out it must never have been seen before.
   */
  before?: string
}

/**
 * The log patterns that first appeared in a range: what the services say that they did not say before. Earliest first, then most frequent.
 *
 * Without `before`, new is a pattern whose first record ever (`first_seen`, at any resource of the tenant) lies in the range; one that occurred before is
 * absent, however rare it was. With `before: '7 days'`, new is a pattern counted in the range and in no bucket of the 7 days before it: also one that has
 * come back. With a `resource`, only what that resource logged is counted, and `before` looks at that resource alone; without `before` the pattern must
 * still be new to the whole tenant.
 *
 * Rows: `fingerprint_id`; `pattern`; `severity` and `sample_message`, null where unknown; `first_seen`; `count_total` and `count_error`, the records counted
 * in the range; `resources`, the URNs of those who logged it there, in order. Counts are those of whole 5-minute buckets: the bucket `first_seen` lies in
 * counts also when the range begins within it, since nothing in it is older.
 *
 * @throws InvalidInputError when the URN, the range or `before` is none.
 * @example
 * const fresh = newPatterns(scope, { range: last('30 minutes') })
 * await fresh.where('severity', 'in', ['ERROR', 'FATAL']).execute()
 *
 * // select "pattern".* from (
 * //   select "known"."fingerprint_id", "known"."pattern", ..., sum("count"."count_total")::float8 as "count_total", ...,
 * //     pg_catalog.array_agg(distinct "resource"."urn" collate "C" order by ...) collate "default" as "resources"
 * //   from "public"."log_pattern_5m" as "count" inner join "public"."log_pattern" as "known" on ... inner join "public"."dim_resource" as "resource" on ...
 * //   where "count"."tenant_id" = $1 and "count"."bucket" >= $2 and "count"."bucket" < $3 and "known"."first_seen" >= $4 and "known"."first_seen" < $5
 * //   group by "known"."fingerprint_id" order by "first_seen", "count_total" desc, "fingerprint_id"
 * // ) as "pattern" where "severity" in ($6, $7)
 */
export function newPatterns(scope: Scope, { range: given, resource, before }: NewPatternsOptions) {
  const range = checkedRange(given)
  const silence = before === undefined ? undefined : parse(durationText, before, 'before')
  const inRange = patternCounts(scope, { resource, range: silence === undefined ? bucketsOver(windowBucket, range) : range })
  const fresh =
    silence === undefined
      ? inRange.where('known.first_seen', '>=', range.from).where('known.first_seen', '<', range.to)
      : inRange.where(({ exists, not }) => {
          const silent = { from: earlier(range.from, silence), to: range.from }
          return not(
            exists(
              scope.db
                .selectFrom(patternCounts(scope, { resource, range: silent }).select('count.fingerprint_id').as('earlier'))
                .select('earlier.fingerprint_id')
                .whereRef('earlier.fingerprint_id', '=', sql.ref('known.fingerprint_id')),
            ),
          )
        })
  const patterns = fresh
    .groupBy('known.fingerprint_id')
    .select([
      'known.fingerprint_id',
      'known.pattern',
      sql<Severity | null>`"known"."severity"`.as('severity'),
      'known.sample_message',
      'known.first_seen',
      sql<number>`sum("count"."count_total")::float8`.as('count_total'),
      sql<number>`sum("count"."count_error")::float8`.as('count_error'),
      // Ordered by bytes, and yet to be compared with names of any collation.
      sql<string[]>`pg_catalog.array_agg(distinct "resource"."urn" collate "C" order by "resource"."urn" collate "C") collate "default"`.as(
        'resources',
      ),
    ])
    .orderBy('first_seen')
    .orderBy('count_total', 'desc')
    .orderBy('fingerprint_id')
  return finished(scope, patterns, 'pattern')
}
