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
  /** The `fingerprint_id` of one pattern; every pattern when left out. */
  fingerprintId?: string
  /** The URN of the resource that logged; every resource when left out. */
  resource?: string
  /** Only patterns of this severity. */
  severity?: Severity
  /**
   * `'count_total'`: all records of the pattern; `'count_error'`: those of severity ERROR and
   * above.
   */
  measure: 'count_total' | 'count_error'
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a series stands for: `'pattern'`, one pattern at all resources, or `'resource'`, one
   * resource's patterns together. Default: `'pattern'`.
   */
  by?: 'pattern' | 'resource'
  /**
   * How long the buckets are: `'5 minutes'`, `'30 minutes'`, `'1 hour'`, `'1 day'`. Default:
   * `'auto'`, by the length of the range.
   */
  resolution?: Resolution
}

/** How often patterns occurred in one bucket. */
export interface PatternPoint extends SeriesRow {
  /** The resource that the series stands for; null by `'pattern'`. */
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
 * How often log patterns occurred over time: a series frame, in the order of series (by their
 * bytes) and time.
 *
 * | | |
 * |---|---|
 * | a series is named | by the pattern's text (unique in a tenant); by `'resource'`, by the resource's URN |
 * | `value` | the number of records |
 * | a bucket in which nothing was counted | has no row: it is not a zero |
 * | range | buckets that begin in it count, whole: an hour that began before it is left out, and the last one reaches past its end |
 * | read from | up to 35 days `log_pattern_5m`, up to 420 `log_pattern_1h`, more `log_pattern_1d` (in UTC); a coarser one where rows of a finer one have been dropped |
 *
 * A longer bucket counts all its records, so its numbers are larger: say the `resolution` where two
 * frames are put together. The hour and the day that are not over yet count what there is so far.
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
 * //   where "count"."tenant_id" = $1 and "count"."bucket" >= $2 and "count"."bucket" < $3 and
 * //     "known"."severity" = $4
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
