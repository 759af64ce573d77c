import { sql } from 'kysely'
import { z } from 'zod'
import { byBytes } from '../database/sql/byBytes.ts'
import { checkedRange, type TimeRange } from '../database/range.ts'
import { finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { readingOf, seriesBucket, type Resolution } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parse } from '../schema/parse.ts'
import { severity as severitySchema, type Severity } from '../schema/severity.ts'
import { patternCounts } from './patternCounts.ts'
import { patternLadder } from './patternPolicy.ts'

export interface PatternSeriesOptions {
  /** The `fingerprint_id` of one pattern; every pattern when left out. */
  fingerprint?: string
  /** The URN of the resource that logged; every resource when left out. */
  resource?: string
  /** Only patterns of this severity. */
  severity?: Severity
  /** `'count'`: all records of the pattern; `'errors'`: those of severity ERROR and above. */
  measure: 'count' | 'errors'
  /** Buckets that begin in it count. */
  range: TimeRange
  /** What a series stands for: `'pattern'`, one pattern at all resources, or `'resource'`, one resource's patterns together. Default: `'pattern'`. */
  by?: 'pattern' | 'resource'
  /** How long the buckets are: `'5 minutes'`, `'30 minutes'`, `'1 hour'`, `'1 day'`. Default: `'auto'`, by the length of the range. */
  resolution?: Resolution
}

/**
 * How often log patterns occurred over time: a series frame, in the order of series (by their bytes) and time.
 *
 * Series are named by the pattern's text (unique in a tenant), or by `'resource'` by the resource's URN. Rows: `series`, `bucket` (when it begins), `value`,
 * the number of records, `resource_id` by `'resource'`, else null. A bucket in which nothing was counted has no row: it is not a zero.
 *
 * Up to 35 days are told by five minutes, up to 420 by the hour, more by the day (in UTC), from `log_pattern_5m`, `log_pattern_1h` and `log_pattern_1d`; so is a time of
 * which the finer table's rows have been dropped. A longer bucket counts all its records, so its numbers are larger: say the `resolution` where two frames are put
 * together. Buckets that begin in the range count, whole: an hour that began before it is left out, and the last one reaches past its end. The hour and the day
 * that are not over yet count what there is so far.
 *
 * @throws InvalidInputError when the fingerprint, URN, severity, measure, range or resolution is none.
 * @example
 * const errors = patternSeries(scope, { severity: 'ERROR', measure: 'count', range: last('6 hours'), by: 'resource' })
 *
 * // select "point".* from (
 * //   select "resource"."urn" as "series", "count"."bucket" as "bucket", sum("count"."count_total")::float8 as "value", "resource"."resource_id" as "resource_id"
 * //   from "public"."log_pattern_5m" as "count" inner join "public"."log_pattern" as "known" on ... inner join "public"."dim_resource" as "resource" on ...
 * //   where "count"."tenant_id" = $1 and "count"."bucket" >= $2 and "count"."bucket" < $3 and "known"."severity" = $4
 * //   group by "resource"."resource_id", "count"."bucket" order by "resource"."urn" collate "C", "bucket"
 * // ) as "point"
 */
export function patternSeries(
  scope: Scope,
  { fingerprint, resource, severity, measure, range, by = 'pattern', resolution }: PatternSeriesOptions,
) {
  const column = parse(z.enum(['count', 'errors']), measure, 'measure') === 'count' ? 'count.count_total' : 'count.count_error'
  const group = parse(z.enum(['pattern', 'resource']), by, 'by')
  parse(fingerprintId.optional(), fingerprint, 'fingerprint')
  parse(severitySchema.optional(), severity, 'severity')
  const reading = readingOf(scope, patternLadder, checkedRange(range), resolution)
  const bucket = seriesBucket(reading, sql.ref('count.bucket'))
  const records = sql<number | null>`sum(${sql.ref(column)})::float8`
  const name = sql.ref<string>(group === 'pattern' ? 'known.pattern' : 'resource.urn')
  const counts = patternCounts(scope, { resource, range: reading.range }, rowsOf(scope, patternLadder, reading))
    .$if(fingerprint !== undefined, (all) => all.where('count.fingerprint_id', '=', fingerprint!))
    .$if(severity !== undefined, (all) => all.where('known.severity', '=', severity!))
    .orderBy(byBytes(name))
    .orderBy(sql.ref('bucket'))
  const points =
    group === 'pattern'
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

const fingerprintId = z.string().refine(isFingerprintId, 'must be a fingerprint_id: a whole number as text, at most 9223372036854775807')

function isFingerprintId(text: string): boolean {
  return /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n
}
