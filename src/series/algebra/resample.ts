import { sql } from 'kysely'
import { z } from 'zod'
import { dateBin } from '../../database/buckets.ts'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedPoints } from '../points.ts'
import { lengthText } from '../bucketLength.ts'
import { reduced, reductions, type Reduction } from './reduction.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

export interface ResampleOptions {
  /** The length of the new buckets: `'15 minutes'`, `'1 week'`. A day has 24 hours. */
  every: string
  /** How the points of one bucket become one. `first` and `last` are by time. */
  with: Reduction | 'first' | 'last'
}

const resampleOptions = z.strictObject({ every: lengthText, with: z.enum([...reductions, 'first', 'last']) })

/**
 * Brings the series of a frame into buckets of another length. Ordered by series, then time.
 *
 * Rows: `series`, `bucket` (its beginning) and `value`. A bucket without points has no row;
 * {@link gapfill} adds it.
 *
 * - Buckets are aligned in UTC as in TimescaleDB's `time_bucket`, counted from Monday 2000-01-03
 *   00:00: hours begin on the hour, days at midnight UTC, weeks on Mondays. If the new buckets are
 *   shorter than the frame's, each point stays alone and moves to the beginning of its new bucket.
 * - Every point weighs the same. Nulls are ignored: a bucket of nulls only has the value null, or 0
 *   with `count`.
 * - NaN makes the average and the sum NaN. For the other reductions it is above every number, as
 *   PostgreSQL orders it. For very small and large values see {@link SeriesRow}.
 * - Do not average percentiles, or ratios such as `err_rate`, where a busy minute would weigh as
 *   much as a silent one. Ask `callSeries` or `metricSeries` for `resolution: '1 hour'` instead,
 *   which merges histograms and counts. The maximum of percentiles is an upper bound of the
 *   percentile of all.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const calls = callSeries(scope, { to: checkout, measure: 'call_count', range: last('7 days') })
 * await resample(scope, calls, { every: '1 hour', with: 'sum' }).execute()
 *
 * // select "resampled".* from (
 * //   select "point"."series", "point"."bucket", sum(point.value) as "value"
 * //   from (
 * //     select "point"."series", date_bin($1::interval, "point"."bucket",
 * //       '2000-01-03T00:00:00Z'::timestamptz) as "bucket", ... from (...) as "point"
 * //   ) as "point" group by "point"."series", "point"."bucket" order by ("point"."series") collate
 * //     "C", "point"."bucket"
 * // ) as "resampled"
 */
export function resample(scope: Scope, frame: SeriesFrame, options: ResampleOptions): Finished<SeriesRow, 'resampled'> {
  const { every, with: how } = parseOptions(resampleOptions, options)
  const moved = scope.db
    .selectFrom(boundedPoints(scope, frame).as('point'))
    .select(['point.series', dateBin(every, sql.ref('point.bucket')).as('bucket'), 'point.bucket as at', 'point.value'])
  const resampled = scope.db
    .selectFrom(moved.as('point'))
    .groupBy(['point.series', 'point.bucket'])
    .select(['point.series', 'point.bucket', merged[how].as('value')])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, resampled, 'resampled')
}

const merged = {
  ...reduced,
  first: sql<number | null>`(pg_catalog.array_agg(point.value order by point.at) filter (where point.value is not null))[1]`,
  last: sql<number | null>`(pg_catalog.array_agg(point.value order by point.at desc) filter (where point.value is not null))[1]`,
}
