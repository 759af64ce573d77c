import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { bucketsBeginningIn, windowBucket } from '../database/buckets.ts'
import { bucketWindows, comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import { milliseconds, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import type { Severity } from '../schema/severity.ts'
import { urnText } from '../schema/text.ts'
import { patternCounts } from './patternCounts.ts'

export interface ChangedPatternsOptions {
  /** The time to judge. The five-minute buckets in which it begins and ends belong to it. */
  range: TimeRange
  /** A normal time to compare with; a longer one is better. It must not overlap `range`. */
  baseline: TimeRange
  /** The URN of the logging resource; every resource if it is not given. */
  resource?: string
  /**
   * A burst has more than this many times the expected records (default: 2); what vanished less
   * than one such part of them (default: 10).
   */
  factor?: number
  /** The least `score`. Default: 4. */
  threshold?: number
}

/** A pattern that one resource logs more or less often than its baseline makes expected. */
export interface ChangedPattern {
  fingerprint_id: string
  /** The message, with `<*>` for its variable parts. */
  pattern: string
  /** Null if it is unknown. */
  severity: Severity | null
  /** One message of the pattern as it was logged; null if none was kept. */
  sample_message: string | null
  /** URN of the resource that logs it. */
  urn: string
  resource_id: string
  /** The number of records in the range. */
  count_total: number
  /** The number of records that the baseline makes expected in the range. */
  expected: number
  /** The start of the last bucket of the two windows with a record. */
  last_bucket: Date
  /** How many standard deviations the count is away from what is expected. */
  score: number
}

/** What differs between patterns that burst and patterns that vanish. */
export interface Change {
  /** The default of `factor`. */
  factor: number
  /** How many records are expected; may use the columns of `logged` in {@link changedPatterns}. */
  expected: RawBuilder<number>
  /** How far the count is from that in the direction that counts, in square roots of records. */
  distance: RawBuilder<number>
  /** Whether the count differs enough; may use `logged.expected`. */
  differs: (factor: RawBuilder<number>) => RawBuilder<boolean>
}

const number = (value: number) => sql<number>`${value}::float8`

const optionsOf = ({ factor }: Change) =>
  z
    .strictObject({
      ...comparedWindows,
      resource: urnText.optional(),
      factor: z.number().min(1).default(factor),
      threshold: z.number().min(0).default(4),
    })
    .superRefine(refuseOverlap)

/**
 * The patterns whose counts changed between two windows, for each resource that logs them.
 *
 * | name | rows | columns |
 * |---|---|---|
 * | `inBuckets` | bucket, resource and pattern | records |
 * | `counted` | resource and pattern | records in the range and in the baseline, the sum of their squares over the baseline's buckets, the last bucket |
 * | `logged` | the same | all records of the resource in both windows; the dispersion: the variance of a bucket's count over its mean, at least 1 |
 *
 * The score compares square roots of counts, whose variance does not depend on the count (Anscombe,
 * "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35, 1948), so it
 * is also right for a handful of records. It is divided by the root of the dispersion: a pattern
 * that comes in bursts anyway has to burst more.
 */
export function changedPatterns<Alias extends string>(
  scope: Scope,
  options: ChangedPatternsOptions,
  change: Change,
  alias: Alias,
): Finished<ChangedPattern, Alias> {
  const { resource, factor, threshold, ...given } = parseOptions(optionsOf(change), options)
  const { range, baseline } = bucketWindows(given)
  const bucketCount = (window: TimeRange) => {
    const { from, to } = bucketsBeginningIn(windowBucket, window)
    return Math.max(1, (to.getTime() - from.getTime()) / milliseconds(windowBucket))
  }
  const before = number(bucketCount(baseline))
  const begins = ({ from, to }: TimeRange) => sql<boolean>`(count.bucket >= ${from}::timestamptz and count.bucket < ${to}::timestamptz)`
  const inRange = begins(range)
  const both = {
    from: range.from < baseline.from ? range.from : baseline.from,
    to: range.to > baseline.to ? range.to : baseline.to,
  }
  // Patterns that are one by now may each have a row in a bucket.
  const inBuckets = patternCounts(scope, { resource, range: both })
    .where(sql<boolean>`(${inRange} or ${begins(baseline)})`)
    .groupBy(['count.bucket', 'count.resource_id', 'count.fingerprint_id'])
    .select(['count.bucket', 'count.resource_id', 'count.fingerprint_id', sql<string>`sum(count.count_total)`.as('count_total')])
  const counted = scope.db
    .selectFrom(inBuckets.as('count'))
    .groupBy(['count.resource_id', 'count.fingerprint_id'])
    .select([
      'count.resource_id',
      'count.fingerprint_id',
      sql<number>`coalesce(sum(count.count_total) filter (where ${inRange}), 0::numeric)::float8`.as('now'),
      sql<number>`coalesce(sum(count.count_total) filter (where not ${inRange}), 0::numeric)::float8`.as('before'),
      sql<number>`coalesce(sum(count.count_total::float8 * count.count_total::float8) filter (where not ${inRange}), 0::float8)`.as(
        'squares',
      ),
      sql<Date>`max(count.bucket) filter (where count.count_total > 0::numeric)`.as('last_bucket'),
    ])
  const logged = scope.db
    .selectFrom(counted.as('counted'))
    .selectAll('counted')
    .select([
      sql<number>`sum(counted.now) over (partition by counted.resource_id)`.as('all_now'),
      sql<number>`sum(counted.before) over (partition by counted.resource_id)`.as('all_before'),
      sql<number>`${number(bucketCount(range))} / ${before}`.as('ratio'),
      // The variance over the mean, of the baseline's buckets with those that have no row.
      sql<number>`greatest(1::float8, coalesce((counted.squares - counted.before * counted.before / ${before}) / nullif(${before} - 1::float8, 0::float8) / nullif(counted.before / ${before}, 0::float8), 1::float8))`.as(
        'dispersion',
      ),
    ])
  const expecting = scope.db.selectFrom(logged.as('logged')).selectAll('logged').select(change.expected.as('expected'))
  const judged = scope.db
    .selectFrom(expecting.as('logged'))
    .selectAll('logged')
    .where(change.differs(number(factor)))
    .select(sql<number>`2::float8 * ${change.distance} / sqrt(logged.dispersion * (1::float8 + logged.ratio))`.as('score'))
  const changed = scope.db
    .selectFrom(judged.as('logged'))
    .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'logged.fingerprint_id').as('known'), (join) => join.onTrue())
    .innerJoinLateral(resourceAt(scope, 'logged.resource_id').as('resource'), (join) => join.onTrue())
    .where('logged.score', '>=', number(threshold))
    .select(['logged.fingerprint_id', 'known.pattern', sql<Severity | null>`known.severity`.as('severity'), 'known.sample_message'])
    .select(['resource.urn', 'logged.resource_id', 'logged.now as count_total', 'logged.expected', 'logged.last_bucket', 'logged.score'])
    .orderBy('score', 'desc')
    .orderBy(byBytes('resource.urn'))
    .orderBy('fingerprint_id')
  return finished(scope, changed, alias)
}
