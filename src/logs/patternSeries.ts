import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import { severity as severityName, type Severity } from '../schema/severity.ts'
import { urnText } from '../schema/text.ts'
import type { SeriesRow } from '../series/seriesFrame.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { fingerprintId } from './fingerprintId.ts'
import { patternCounts } from './patternCounts.ts'
import { patternLadder } from './patternPolicy.ts'

export interface PatternSeriesOptions {
  /**
   * The `fingerprint_id` of one pattern, also one that it had before it became part of another;
   * every pattern if it is not given.
   */
  fingerprintId?: string
  /** The URN of the logging resource; every resource if it is not given. */
  resource?: string
  /** Only patterns of this severity. */
  severity?: Severity
  /**
   * `'count_total'`: all records of the pattern. `'count_error'`: those of severity ERROR and
   * above.
   */
  measure: 'count_total' | 'count_error'
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a series stands for. `'pattern'`: one pattern at all resources. `'resource'`: all patterns
   * of one resource. Default: `'pattern'`.
   */
  by?: 'pattern' | 'resource'
  /**
   * The length of the buckets: `'5 minutes'`, `'30 minutes'`, `'1 hour'`, `'1 day'`. Default:
   * `'auto'`, by the length of the range.
   */
  resolution?: Resolution
}

/** The number of records of a pattern or resource in one bucket. */
export interface PatternPoint extends SeriesRow {
  /** The resource that the series stands for; null with `by: 'pattern'`. */
  resource_id: string | null
}

const patternSeriesOptions = z.strictObject({
  fingerprintId: fingerprintId.optional(),
  resource: urnText.optional(),
  severity: severityName.optional(),
  measure: z.enum(['count_total', 'count_error']),
  range: timeRange,
  by: z.enum(['pattern', 'resource']).default('pattern'),
  resolution: z.string().optional(),
})

/**
 * How often log patterns occurred over time: a series frame. Ordered by series (by their bytes),
 * then time.
 *
 * | | |
 * |---|---|
 * | name of a series | the pattern's text (unique in a tenant); with `'resource'`, the resource's URN |
 * | `value` | the number of records |
 * | a bucket without records | has no row, not a zero |
 * | range | buckets that begin in it count as a whole: an hour that began before it is left out, and the last one extends past its end |
 * | read from | up to 35 days `log_pattern_5m`, up to 420 `log_pattern_1h`, beyond that `log_pattern_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 *
 * A longer bucket counts all its records, so its numbers are larger: set the `resolution` if you
 * combine two frames. A running hour or day counts what arrived so far.
 *
 * @throws InvalidInputError if the id, the URN, the severity, the measure, the range, `by` or the
 * resolution is invalid; names the field.
 * @example
 * const errors = patternSeries(scope, { severity: 'ERROR', measure: 'count_total', range: last('6 hours'), by: 'resource' })
 *
 * // select "point".* from (
 * //   select "resource"."urn" as "series", "count"."bucket", "count"."value", "count"."resource_id"
 * //   from (
 * //     select "count"."bucket" as "bucket", sum("count"."count_total")::float8 as "value",
 * //       "count"."resource_id"
 * //     from "public"."log_pattern_5m" as "count"
 * //     where "count"."tenant_id" = $1 and "count"."bucket" >= $2 and "count"."bucket" < $3 and
 * //       (count.fingerprint_id in (select ... and known.severity = $5)) is true
 * //     group by "count"."bucket", "count"."resource_id"
 * //   ) as "count" inner join lateral (...) as "resource" on true
 * //   order by ("resource"."urn") collate "C", "count"."bucket"
 * // ) as "point"
 */
export function patternSeries(scope: Scope, options: PatternSeriesOptions): Finished<PatternPoint, 'point'> {
  const { fingerprintId: id, resource, severity, measure, range, by, resolution } = parseOptions(patternSeriesOptions, options)
  const reading = readingOf(scope, patternLadder, range, resolution)
  const bucket = seriesBucket(reading, sql.ref('count.bucket'))
  const records = sql<number | null>`sum(${sql.ref(`count.${measure}`)})::float8`
  const counts = patternCounts(scope, { resource, fingerprintId: id, range: reading.range }, rowsOf(scope, patternLadder, reading))
    .$if(severity !== undefined, (all) => all.where(isOfSeverity(scope, severity!)))
    .groupBy(bucket)
    .select([bucket.as('bucket'), records.as('value')])
  if (by === 'pattern') {
    const points = scope.db
      .selectFrom(counts.groupBy('count.fingerprint_id').select('count.fingerprint_id').as('count'))
      .innerJoinLateral(rowOf(scope, 'log_pattern', 'fingerprint_id', 'count.fingerprint_id').as('known'), (join) => join.onTrue())
      .select(['known.pattern as series', 'count.bucket', 'count.value', sql<string | null>`null::int8`.as('resource_id')])
      .orderBy(byBytes('known.pattern'))
      .orderBy('count.bucket')
    return finished(scope, points, 'point')
  }
  const points = scope.db
    .selectFrom(counts.groupBy('count.resource_id').select('count.resource_id').as('count'))
    .innerJoinLateral(resourceAt(scope, 'count.resource_id').as('resource'), (join) => join.onTrue())
    .select(['resource.urn as series', 'count.bucket', 'count.value', sql.ref<string | null>('count.resource_id').as('resource_id')])
    .orderBy(byBytes('resource.urn'))
    .orderBy('count.bucket')
  return finished(scope, points, 'point')
}

/** Whether a count is of a pattern of this severity: `is true`, so that they are found once, and not joined. */
const isOfSeverity = (scope: Scope, severity: Severity) => sql<boolean>`(count.fingerprint_id in (
  select known.fingerprint_id from ${scope.id('log_pattern')} as known where known.tenant_id = ${scope.tenantId}::int8 and known.severity = ${severity}
)) is true`
