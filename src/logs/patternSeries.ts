import { sql } from 'kysely'
import { z } from 'zod'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { parse } from '../schema/parse.ts'
import { severity as severitySchema, type Severity } from '../schema/severity.ts'
import { patternCounts } from './patternCounts.ts'

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
}

/**
 * How often log patterns occurred, 5 minutes at a time: a series frame, in the order of series and time.
 *
 * Series are named by the pattern's text (unique in a tenant), or by `'resource'` by the resource's URN. Rows: `series`, `bucket` (when it begins), `value`,
 * the number of records. A bucket in which nothing was counted has no row: it is not a zero.
 *
 * @throws InvalidInputError when the fingerprint, URN, severity, measure or range is none.
 * @example
 * const errors = patternSeries(scope, { severity: 'ERROR', measure: 'count', range: last('6 hours'), by: 'resource' })
 *
 * // select "point".* from (
 * //   select "resource"."urn" as "series", "count"."bucket", sum("count"."count_total")::float8 as "value"
 * //   from "public"."log_pattern_5m" as "count" inner join "public"."log_pattern" as "known" on ... inner join "public"."dim_resource" as "resource" on ...
 * //   where "count"."tenant_id" = $1 and "count"."bucket" >= $2 and "count"."bucket" < $3 and "known"."severity" = $4
 * //   group by "resource"."urn", "count"."bucket" order by "series", "bucket"
 * // ) as "point"
 */
export function patternSeries(scope: Scope, { fingerprint, resource, severity, measure, range, by = 'pattern' }: PatternSeriesOptions) {
  const column = parse(z.enum(['count', 'errors']), measure, 'measure') === 'count' ? 'count.count_total' : 'count.count_error'
  const name = parse(z.enum(['pattern', 'resource']), by, 'by') === 'pattern' ? 'known.pattern' : 'resource.urn'
  parse(fingerprintId.optional(), fingerprint, 'fingerprint')
  parse(severitySchema.optional(), severity, 'severity')
  const points = patternCounts(scope, { resource, range })
    .$if(fingerprint !== undefined, (counts) => counts.where('count.fingerprint_id', '=', fingerprint!))
    .$if(severity !== undefined, (counts) => counts.where('known.severity', '=', severity!))
    .groupBy([name, 'count.bucket'])
    .select([`${name} as series`, 'count.bucket', sql<number | null>`sum(${sql.ref(column)})::float8`.as('value')])
    .orderBy('series')
    .orderBy('bucket')
  return scope.db.selectFrom(points.as('point')).selectAll('point')
}

const fingerprintId = z.string().refine(isFingerprintId, 'must be a fingerprint_id: a whole number as text, at most 9223372036854775807')

function isFingerprintId(text: string): boolean {
  return /^\d{1,19}$/.test(text) && BigInt(text) < 2n ** 63n
}
