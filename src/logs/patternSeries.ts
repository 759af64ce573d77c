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
import { patternCounts } from './patternCounts.ts'
import { patternLadder } from './patternPolicy.ts'

export interface PatternSeriesOptions {
  /** The `fingerprint_id` of one pattern; every pattern if it is not given. */
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
  fingerprintId: z
    .string()
    .refine(isFingerprintId, 'must be a fingerprint_id: a whole number as text, at most 9223372036854775807')
    .optional(),
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
 * //   select "resource"."urn" as "series", "count"."bucket" as "bucket",
 * //     sum("count"."count_total")::float8 as "value", "resource"."resource_id" as "resource_id"
 * //   from "public"."log_pattern_5m" as "count" inner join "public"."log_pattern" as "known" on
 * //     ... inner join "public"."dim_resource" as "resource" on ...
 * //   where "count"."tenant_id" = $3 and "count"."bucket" >= $4 and "count"."bucket" < $5 and
 * //     "known"."severity" = $6
 * //   group by "resource"."resource_id", "count"."bucket" order by "resource"."urn" collate "C",
 * //     "bucket"
 * // ) as "point"
 */
export function patternSeries(scope: Scope, options: PatternSeriesOptions): Finished<PatternPoint, 'point'> {
  const { fingerprintId, resource, severity, measure, range, by, resolution } = parseOptions(patternSeriesOptions, options)
  const reading = readingOf(scope, patternLadder, range, resolution)
  const bucket = seriesBucket(reading, sql.ref('count.bucket'))
  const records = sql<number | null>`sum(${sql.ref(`count.${measure}`)})::float8`
  const name = sql.ref<string>(by === 'pattern' ? 'known.pattern' : 'resource.urn')
  const counts = patternCounts(scope, { resource, range: reading.range }, rowsOf(scope, patternLadder, reading))
    .$if(fingerprintId !== undefined, (all) => all.where('count.fingerprint_id', '=', fingerprintId!))
    .$if(severity !== undefined, (all) => all.where('known.severity', '=', severity!))
    .orderBy(byBytes(name))
    .orderBy(sql.ref('bucket'))
  const points =
    by === 'pattern'
      ? counts
          .groupBy('known.fingerprint_id')
          .groupBy(bucket)
          .select([name.as('series'), bucket.as('bucket'), records.as('value'), sql<string | null>`null::int8`.as('resource_id')])
      : counts
          .groupBy('resource.resource_id')
          .groupBy(bucket)
          .select([
            name.as('series'),
            bucket.as('bucket'),
            records.as('value'),
            sql.ref<string | null>('resource.resource_id').as('resource_id'),
          ])
  return finished(scope, points, 'point')
}

function isFingerprintId(text: string): boolean {
  return /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n
}
